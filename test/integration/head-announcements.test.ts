import { createServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { type HeadAnnouncements, listenForHeads } from '../../src/chain/head-announcements.ts'
import { startDevelopmentChain } from '../../src/dev/development-chain.ts'
import { listenOnLoopback } from '../../src/dev/ports.ts'
import { until } from '../support/until.ts'

/** Longer than any test: who waits for it waits for an announcement. */
const NEVER_MS = 600_000

/** A node that answers over WebSocket as a test says. */
interface ScriptedSocket {
  readonly url: string
  /** Methods that were asked for, over all connections. */
  readonly asked: string[]
  answer: (method: string) => object
  /** The connections that are open. */
  open(): WebSocket[]
  say(message: unknown): void
  announce(blockNumber: number): void
}

describe('announcements of new heads', () => {
  const releases: (() => unknown)[] = []
  const problems: (string | null)[] = []
  const signal = new AbortController().signal

  afterEach(async () => {
    for (const release of releases.splice(0).toReversed()) await release()
    problems.length = 0
  })

  function listen(url: string, pingIntervalMs = 10_000): HeadAnnouncements {
    const announcements = listenForHeads({
      urls: [url],
      pingIntervalMs,
      onChanged: (_node, problem) => problems.push(problem),
    })
    releases.push(announcements.close)
    return announcements
  }

  async function startScripted(autoPong = true): Promise<ScriptedSocket> {
    const http = createServer()
    const server = new WebSocketServer({ server: http, autoPong })
    const port = await listenOnLoopback(http)
    const open = () => [...server.clients].filter((each) => each.readyState === each.OPEN)
    const say = (message: unknown) => {
      for (const each of open()) each.send(JSON.stringify(message))
    }
    const scripted: ScriptedSocket = {
      url: `ws://127.0.0.1:${port}`,
      asked: [],
      answer: () => ({ result: '0x1' }),
      open,
      say,
      announce: (blockNumber) =>
        say({ method: 'klay_subscription', params: { result: { number: `0x${blockNumber.toString(16)}` } } }),
    }
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        const { id, method } = JSON.parse(String(data)) as { id: number; method: string }
        scripted.asked.push(method)
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, ...scripted.answer(method) }))
      })
    })
    releases.push(() => {
      for (const each of server.clients) each.terminate()
      http.close()
    })
    return scripted
  }

  /** Announces until it is heard: a subscription takes a moment. */
  async function untilHeard(waiting: Promise<void>, announce: () => void): Promise<void> {
    let heard = false
    void waiting.then(() => {
      heard = true
    })
    await until('the announcement is heard', () => {
      if (!heard) announce()
      return heard
    })
  }

  it('come from a real node, block after block', async () => {
    const chain = await startDevelopmentChain({ chainId: 8217 })
    releases.push(chain.stop)
    const announcements = listen(chain.webSocketUrl)
    await announcements.wait(1, NEVER_MS, signal)
    await announcements.wait(2, NEVER_MS, signal)
    expect(problems).toEqual([null])
  })

  it('come from a node that knows only the method of Ethereum', async () => {
    const node = await startScripted()
    node.answer = (method) =>
      method === 'eth_subscribe' ? { result: '0x1' } : { error: { code: -32_601, message: 'not found' } }
    await untilHeard(listen(node.url).wait(5, NEVER_MS, signal), () => {
      if (node.asked.includes('eth_subscribe')) node.announce(5)
    })
    expect(node.asked).toEqual(['klay_subscribe', 'eth_subscribe'])
  })

  it('say when a node offers none', async () => {
    const node = await startScripted()
    node.answer = () => ({ error: { code: -32_601, message: 'notifications not supported' } })
    void listen(node.url).wait(1, NEVER_MS, signal)
    await until('it is said', () => problems.length > 0)
    expect(problems).toEqual(['it offers no newHeads'])
  })

  it('go on after the connection was lost, and say both', async () => {
    const node = await startScripted()
    const announcements = listen(node.url)
    await untilHeard(announcements.wait(7, NEVER_MS, signal), () => node.announce(7))
    for (const each of node.open()) each.terminate()
    await until('the loss is said', () => problems.length === 2)
    await untilHeard(announcements.wait(8, NEVER_MS, signal), () => node.announce(8))
    expect(problems).toEqual([null, 'the connection was closed', null])
  })

  it('go on over a new connection when the old one is silent', async () => {
    const node = await startScripted(false)
    void listen(node.url, 50).wait(7, NEVER_MS, signal)
    await until('it connects again', () => node.asked.length === 2)
    expect(problems[0]).toBe('it did not answer for 50 ms')
  })

  it('that make no sense are passed over', async () => {
    const node = await startScripted()
    const announcements = listen(node.url)
    await untilHeard(announcements.wait(3, NEVER_MS, signal), () => {
      for (const nonsense of [null, 'new', 12, [], { params: { result: { number: 'soon' } } }, { id: 'x' }]) {
        node.say(nonsense)
      }
      for (const each of node.open()) each.send('{')
      node.announce(3)
    })
  })

  it('of an earlier block wake nobody, and one wakes once', async () => {
    const node = await startScripted()
    const announcements = listen(node.url)
    await untilHeard(announcements.wait(20, NEVER_MS, signal), () => {
      node.announce(19)
      node.announce(20)
    })
    await untilAnswered(node)
    await announcements.wait(20, 1, signal)
    let woken = false
    const abort = new AbortController()
    const waiting = announcements.wait(20, NEVER_MS, abort.signal).then(() => {
      woken = true
    })
    node.announce(19)
    await untilAnswered(node)
    expect(woken).toBe(false)
    abort.abort()
    await waiting
  })

  /** What was said before a ping has arrived before its pong. */
  async function untilAnswered(node: ScriptedSocket): Promise<void> {
    await Promise.all(
      node.open().map(
        (each) =>
          new Promise((resolve) => {
            each.once('pong', resolve)
            each.ping()
          }),
      ),
    )
  }

  it('are not needed: without any, the wait ends in time, and at once when it is aborted', async () => {
    const none = listenForHeads({ urls: [], pingIntervalMs: 10_000, onChanged: () => undefined })
    await none.wait(1, 1, signal)
    await none.wait(1, NEVER_MS, AbortSignal.abort())
  })
})
