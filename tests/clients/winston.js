// SPDX-License-Identifier: Apache-2.0
// winston with winston-loki; option: json or proto. A batch that fails goes to the front of the
// next one, which is sent at the latest when the transport is closed.
'use strict'

const winston = require('winston')
const LokiTransport = require('winston-loki')
const { url, options, serve } = require('./records')

const transport = new LokiTransport({
  host: url,
  json: options[0] === 'json',
  labels: { job: 'winston' },
  interval: 0.3,
  level: 'silly',
  gracefulShutdown: false,
  format: winston.format.printf(info => info.message),
  onConnectionError: error => console.log('failed ' + error.message)
})
if (transport.batcher.options.json !== (options[0] === 'json')) {
  throw new Error('winston-loki fell back to JSON: snappy does not load')
}
const logger = winston.createLogger({ level: 'silly', transports: [transport] })

serve(
  record => logger.log({ level: record.level, message: record.text, labels: { stream: record.stream }, ...record.meta }),
  async () => {
    await transport.close()
    await transport.flush()
  }
)
