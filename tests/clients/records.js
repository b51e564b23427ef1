// SPDX-License-Identifier: Apache-2.0
// What the clients share: the records to log, and orders from the test on stdin.
//
//   node CLIENT.js URL RECORDS.json [OPTION]...
//   to N    log the records up to number N, answer "at N"
//   end     send what is left, close, end
//
// A record is {level, stream, text, meta}. Records are logged one tick apart, as a program does.
'use strict'

const fs = require('fs')
const readline = require('readline')

exports.url = process.argv[2]
exports.records = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'))
exports.options = process.argv.slice(4)

// log(record, index) logs one; end() sends the rest and resolves when it has been taken.
exports.serve = async (log, end) => {
  let at = 0
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, number] = line.split(' ')
    if (word === 'to') {
      for (; at < Number(number); at++) {
        log(exports.records[at], at)
        await new Promise(resolve => setImmediate(resolve))
      }
      console.log('at ' + at)
    } else if (word === 'end') {
      await end()
      process.exit(0)
    }
  }
}
