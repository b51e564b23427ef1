// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's exporters of logs over HTTP; options: json or proto, then gzip or none. What
// fails for a reason that may pass is sent again, five times at most.
'use strict'

const { SeverityNumber } = require('@opentelemetry/api-logs')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs')
const { url, options, serve } = require('./records')

const { OTLPLogExporter } = require('@opentelemetry/exporter-logs-otlp-' + (options[0] === 'json' ? 'http' : 'proto'))
const providers = new Map()

function logger (stream) {
  if (!providers.has(stream)) {
    const exporter = new OTLPLogExporter({ url: url + '/otlp/v1/logs', compression: options[1] })
    providers.set(stream, new LoggerProvider({
      resource: resourceFromAttributes({
        'service.name': stream, 'k8s.namespace.name': 'test', 'host.name': 'box', 'process.pid': 7
      }),
      processors: [new BatchLogRecordProcessor({ exporter, scheduledDelayMillis: 200, maxExportBatchSize: 50 })]
    }))
  }
  return providers.get(stream).getLogger('my.scope', '1.2.3')
}

serve(
  record => logger(record.stream).emit({
    severityNumber: SeverityNumber[record.level.toUpperCase()],
    severityText: record.level.toUpperCase(),
    body: record.text,
    attributes: { ...record.meta, 'a.list': ['x', 1, true], 'an.object': { k: 'v', 'deep.er': { f: 1.5 } } }
  }),
  () => Promise.all([...providers.values()].map(provider => provider.shutdown()))
)
