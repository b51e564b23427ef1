// SPDX-License-Identifier: Apache-2.0
// pino with its Loki transport, in a worker thread as its README advises. Batches go out every half
// second; a batch that fails is lost, so this client sees no killed server.
'use strict'

const pino = require('pino')
const { url, records, serve } = require('./records')

const transport = pino.transport({
  target: require.resolve('pino-loki'),
  options: {
    host: url,
    labels: { job: 'pino' },
    propsToLabels: ['stream'],
    batching: { interval: 0.5 },
    structuredMetaKey: 'meta'
  }
})
const logger = pino({ level: 'trace', base: { hostname: 'box' } }, transport)

serve(
  record => logger[record.level]({ stream: record.stream, meta: record.meta }, record.text),
  () => new Promise(resolve => {
    transport.on('close', resolve)
    transport.end()
  })
)
