import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { startDevelopmentChain } from '../src/dev/development-chain.ts'
import type { Lifecycle } from '../src/lifecycle.ts'
import { startProgram } from './parts.ts'

/** A chain with blocks of 1 s that takes transactions, and knows when each of them was readable. */
export interface BenchChain {
  readonly url: string
  /** Sends so many transactions; resolves with their hashes. */
  send(count: number): Promise<string[]>
  /** Unix time in ms at which its receipt could first be read; undefined while it can't. */
  readableAtMs(txHash: string): number | undefined
}

/** The replay node: any rate, and it knows beforehand when a block is readable. */
export async function startReplayChain(
  lifecycle: Lifecycle,
): Promise<BenchChain & { delay(ms: number): Promise<void> }> {
  const url = await startProgram(lifecycle, 'replay-node.ts')
  const post = createPoster(lifecycle)
  const readable = new Map<string, number>()
  const name = `${process.pid} ${Date.now()}`
  let made = 0
  return {
    url,
    send: async (count) => {
      const hashes = Array.from({ length: count }, () => {
        return `0x${createHash('sha256').update(`${name} ${made++}`).digest('hex')}`
      })
      const { readableAtMs } = JSON.parse(await post(`${url}/plan`, hashes)) as { readableAtMs: number }
      for (const txHash of hashes) readable.set(txHash, readableAtMs)
      return hashes
    },
    readableAtMs: (txHash) => readable.get(txHash),
    delay: async (ms) => void (await post(`${url}/delay`, ms)),
  }
}

const CHAIN_ID = 8217
/** anvil's first account: unlocked, so the node signs. */
const SENDER = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const RECIPIENT = '0x00000000000000000000000000000000000000aa'
const LOOK_INTERVAL_MS = 5

/** The development chain: a real EVM node. When a block is readable is seen by asking every 5 ms. */
export async function startRealChain(lifecycle: Lifecycle): Promise<BenchChain> {
  const chain = await startDevelopmentChain({ chainId: CHAIN_ID })
  lifecycle.add('development chain', chain.stop)
  const post = createPoster(lifecycle)
  const readable = new Map<string, number>()
  const watching = new AbortController()
  lifecycle.add('watch of the chain', () => watching.abort())

  async function call(method: string, params: unknown[]): Promise<unknown> {
    const answer = JSON.parse(await post(chain.url, { jsonrpc: '2.0', id: 1, method, params })) as {
      result: unknown
    }
    return answer.result
  }

  async function watch(): Promise<void> {
    let next = Number(await call('eth_blockNumber', [])) + 1
    while (!watching.signal.aborted) {
      const block = (await call('eth_getBlockByNumber', [`0x${next.toString(16)}`, false])) as {
        transactions: string[]
      } | null
      const seenAtMs = Date.now()
      if (block) {
        next += 1
        for (const txHash of block.transactions) readable.set(txHash, seenAtMs)
      } else await sleep(LOOK_INTERVAL_MS)
    }
  }
  void watch().catch(() => undefined)
  // Given by us and sent one after the other: requests that the node takes side by side would mix them up.
  let sending: Promise<unknown> = Promise.resolve()
  let nonce = Number(await call('eth_getTransactionCount', [SENDER, 'latest']))

  return {
    url: chain.url,
    send: async (count) => {
      const calls = Array.from({ length: count }, (_, id) => ({
        jsonrpc: '2.0',
        id,
        method: 'eth_sendTransaction',
        params: [
          { from: SENDER, to: RECIPIENT, value: '0x1', gas: '0x5208', nonce: `0x${(nonce++).toString(16)}` },
        ],
      }))
      const sent = sending.then(() => post(chain.url, calls))
      sending = sent.catch(() => undefined)
      const answers = JSON.parse(await sent) as { result?: string; error?: unknown }[]
      return answers.map(({ result, error }) => {
        if (!result) throw new Error(`the chain did not take a transaction: ${JSON.stringify(error)}`)
        return result
      })
    },
    readableAtMs: (txHash) => readable.get(txHash),
  }
}

export type Post = (url: string, body: unknown) => Promise<string>

export function createPoster(lifecycle: Lifecycle): Post {
  const agent = new Agent({ connections: 64 })
  lifecycle.add('connections', () => agent.destroy())
  return async (url, body) => {
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      dispatcher: agent,
    })
    const answer = await response.body.text()
    if (response.statusCode >= 300)
      throw new Error(`${url} answered ${response.statusCode}: ${answer.slice(0, 500)}`)
    return answer
  }
}
