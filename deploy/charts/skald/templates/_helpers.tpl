{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* Names as Loki's chart makes them: release "loki" gives "loki", so its claim is found again. */ -}}
{{- define "skald.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Values.nameOverride .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "skald.selectorLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: single-binary
{{- end -}}

{{- define "skald.labels" -}}
{{ include "skald.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "skald.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "skald.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "skald.image" -}}
{{- with .Values.loki.image -}}
{{- if contains "grafana/loki" (toString .repository) -}}
{{- fail "loki.image.repository names Loki's image. This chart runs skald: remove loki.image from the values." -}}
{{- end -}}
{{- $name := printf "%s:%s" .repository (toString .tag) -}}
{{- if .registry }}{{ printf "%s/%s" .registry $name }}{{ else }}{{ $name }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* What cannot be honoured is refused, not ignored. */ -}}
{{- define "skald.check" -}}
{{- if not (has .Values.deploymentMode (list "SingleBinary" "Monolithic")) -}}
{{- fail (printf "deploymentMode %s: skald is one process, only SingleBinary and Monolithic are possible." .Values.deploymentMode) -}}
{{- end -}}
{{- if gt (int .Values.singleBinary.replicas) 1 -}}
{{- fail "singleBinary.replicas: skald does not replicate, 0 and 1 are possible." -}}
{{- end -}}
{{- if ne .Values.loki.storage.type "filesystem" -}}
{{- fail (printf "loki.storage.type %s: skald keeps its data on a file system." .Values.loki.storage.type) -}}
{{- end -}}
{{- end -}}

{{- /* The configuration as an object. */ -}}
{{- define "skald.configObject" -}}
{{- $l := .Values.loki -}}
{{- $storage := dict "storage" (dict "filesystem" (pick $l.storage.filesystem "chunks_directory" "rules_directory")) -}}
{{- $c := dict
    "auth_enabled" $l.auth_enabled
    "server" $l.server
    "common" (mergeOverwrite (dict) $storage (deepCopy $l.commonConfig))
    "schema_config" $l.schemaConfig
    "ingester" $l.ingester
    "compactor" $l.compactor
    "limits_config" $l.limits_config
    "querier" $l.querier
    "query_range" $l.query_range
    "frontend" $l.frontend
    "ruler" $l.rulerConfig
    "storage_config" $l.storage_config
    "pattern_ingester" $l.pattern_ingester
    "tracing" $l.tracing
    "analytics" $l.analytics
    "runtime_config" (dict "file" "/etc/loki/runtime-config/runtime-config.yaml") -}}
{{- range $key, $value := $c -}}
{{- if and (kindIs "map" $value) (empty $value) -}}
{{- $_ := unset $c $key -}}
{{- end -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy $c) (deepCopy $l.structuredConfig)) -}}
{{- end -}}

{{- define "skald.config" -}}
{{- if .Values.loki.config -}}
{{- tpl .Values.loki.config . -}}
{{- else -}}
{{- include "skald.configObject" . -}}
{{- end -}}
{{- end -}}

{{- define "skald.ready" -}}
{{ printf "http://%s.%s:%v/ready" (include "skald.fullname" .) .Release.Namespace .Values.loki.server.http_listen_port }}
{{- end -}}
