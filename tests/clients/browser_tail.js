// SPDX-License-Identifier: Apache-2.0
// A page in a real browser that follows a tail, as Grafana's live view does: it opens a WebSocket
// and lists every line as it comes. Orders come on stdin, one answer on stdout for each:
//
//   node browser_tail.js CHROMIUM ws://...
//   (at the start)   "open" once the WebSocket is
//   lines N          JSON of the list once it has N lines
//   closed           JSON of the close event's code and reason
//   end              ends the browser
'use strict'

const readline = require('readline')
const { chromium } = require('playwright-core')

const [executablePath, url] = process.argv.slice(2)
const page_ = `<!doctype html><title>tail</title><ol id="lines"></ol><script>
  window.state = 'connecting'
  const ws = new WebSocket(${JSON.stringify(url)})
  ws.onopen = () => { window.state = 'open' }
  ws.onclose = e => { window.ended = { code: e.code, reason: e.reason } }
  ws.onmessage = m => {
    for (const s of JSON.parse(m.data).streams) {
      for (const [ts, line] of s.values) {
        const li = document.createElement('li')
        li.textContent = line
        li.dataset.ts = ts
        document.getElementById('lines').append(li)
      }
    }
  }
</script>`

const main = async () => {
  const browser = await chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  const page = await browser.newPage()
  await page.setContent(page_)
  await page.waitForFunction(() => window.state === 'open')
  console.log('open')
  for await (const order of readline.createInterface({ input: process.stdin })) {
    const [word, number] = order.split(' ')
    if (word === 'lines') {
      await page.waitForFunction(n => document.querySelectorAll('li').length >= n, Number(number))
      console.log(JSON.stringify(await page.$$eval('li', all => all.map(li => [li.dataset.ts, li.textContent]))))
    } else if (word === 'closed') {
      await page.waitForFunction(() => window.ended !== undefined)
      console.log(JSON.stringify(await page.evaluate(() => window.ended)))
    } else {
      break
    }
  }
  await browser.close()
}

main().then(() => process.exit(0), e => {
  console.error(e)
  process.exit(1)
})
