import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { ATTEMPTS } from './attempts.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const ADDRESS = /^0x[0-9a-f]{40}$/i
const MAX_BODY_BYTES = 2_000

const FILES = {
  '/': { name: 'page.html', type: 'text/html' },
  '/page.css': { name: 'page.css', type: 'text/css' },
  '/page.js': { name: 'page.js', type: 'text/javascript' },
}

class BadRequest extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** The page, and what it asks for: it places orders and is told of every change. */
export function createSite({ orders, minting, confirmdUrl, isDevelopment }) {
  const listeners = new Set()

  function view(order) {
    return {
      ...{ id: order.id, attempt: order.attempt, state: order.state, recipient: order.recipient },
      ...{ txHash: order.tx_hash, failure: order.failure, problem: order.problem },
      ...{ mintedIn: order.minted_in, tokenId: order.token_id, createdAt: order.created_at },
      watchedAt: order.transaction_id ? `${confirmdUrl}/#/transactions/${order.transaction_id}` : null,
    }
  }

  async function showOrders(to = listeners) {
    const shown = (await orders.newest()).map(view)
    for (const response of to) response.write(`data: ${JSON.stringify(shown)}\n\n`)
  }

  async function placeOrder(request) {
    const { requestKey, attempt, recipient } = await readBody(request)
    if (!matches(UUID, requestKey)) throw new BadRequest(400, 'requestKey must be a UUID in lower case')
    if (typeof attempt !== 'string' || !Object.hasOwn(ATTEMPTS, attempt))
      throw new BadRequest(400, 'attempt is not one of those offered')
    if (!isDevelopment && attempt !== 'mint') throw new BadRequest(400, 'only on the development chain')
    if (!matches(ADDRESS, recipient))
      throw new BadRequest(400, 'recipient must be 0x and 40 hexadecimal digits')
    const order = await minting.place({ requestKey, attempt, recipient: recipient.toLowerCase() })
    if (!order) throw new BadRequest(409, 'this requestKey has made another order')
    return view(order)
  }

  async function answer(request, response) {
    const { method, url } = request
    // Also what keeps other sites from asking in the name of our visitor.
    if (!isOurs(request.headers)) throw new BadRequest(403, 'only for the page of this server')
    const file = FILES[url]
    if (method === 'GET' && file) {
      response.setHeader('content-type', `${file.type}; charset=utf-8`)
      response.end(readFileSync(new URL(file.name, import.meta.url)))
    } else if (method === 'GET' && url === '/orders') {
      sendJson(response, 200, (await orders.newest()).map(view))
    } else if (method === 'GET' && url === '/orders/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      listeners.add(response)
      response.on('close', () => listeners.delete(response))
      await showOrders([response])
    } else if (method === 'POST' && url === '/orders') {
      sendJson(response, 200, await placeOrder(request))
    } else {
      throw new BadRequest(404, 'there is no such page')
    }
  }

  const server = createServer((request, response) => {
    response.setHeader('content-security-policy', "default-src 'self'; img-src data:; frame-ancestors 'none'")
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('cache-control', 'no-store')
    answer(request, response).catch((error) => {
      if (response.headersSent) return response.destroy()
      const known = error instanceof BadRequest
      sendJson(response, known ? error.status : 500, {
        error: known ? error.message : 'this did not work; the same again is safe',
      })
    })
  })

  return {
    /** Sends the list to every open page. */
    showOrders: () => {
      // A page that misses it gets the list with the next change, and when it connects again.
      showOrders().catch(() => undefined)
    },
    listen: async (port) => {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      return `http://127.0.0.1:${server.address().port}`
    },
  }
}

/** By its names for this machine, and, of a browser's request, from its own page. */
function isOurs({ host = '', origin }) {
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) return false
  return origin === undefined || origin === `http://${host}`
}

function matches(pattern, value) {
  return typeof value === 'string' && pattern.test(value)
}

async function readBody(request) {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw new BadRequest(415, 'send application/json')
  }
  if (!(Number(request.headers['content-length']) <= MAX_BODY_BYTES)) {
    throw new BadRequest(413, `send at most ${MAX_BODY_BYTES} bytes, and say how many`)
  }
  const body = await json(request).catch(() => null)
  if (typeof body !== 'object' || body === null) throw new BadRequest(400, 'the body is not a JSON object')
  return body
}

function sendJson(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
