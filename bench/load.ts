import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'

/** Plans transactions at the node and registers them at the API, as backends do. */
export interface Load {
  /**
   * Sends `count` transactions, `size` in a request, at most `perSecond` begun in a second (null: as many as are
   * taken), and never more than `maxOpen` ahead of what is settled.
   */
  send(options: {
    count: number
    size: number
    perSecond: number | null
    concurrency: number
    kind: string
    open?: { readonly most: number; readonly settled: () => number }
  }): Promise<void>
  /** When each transaction was readable at the node; the time of its block or of its registration, whichever is later. */
  readonly readableAtMs: ReadonlyMap<string, number>
  close(): Promise<void>
}

export function createLoad(name: string, nodeUrl: string, apiUrl: string): Load {
  const agent = new Agent({ connections: 64 })
  const readableAtMs = new Map<string, number>()
  let made = 0

  async function post(url: string, body: unknown): Promise<string> {
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      dispatcher: agent,
    })
    const answer = await response.body.text()
    if (response.statusCode >= 300) throw new Error(`${url} answered ${response.statusCode}: ${answer}`)
    return answer
  }

  function make(count: number): string[] {
    return Array.from({ length: count }, () => {
      return `0x${createHash('sha256').update(`${name}:${made++}`).digest('hex')}`
    })
  }

  async function sendOne(size: number, kind: string): Promise<void> {
    const hashes = make(size)
    const planned = JSON.parse(await post(`${nodeUrl}/plan`, hashes)) as { readableAtMs: number }
    const bodies = hashes.map((txHash) => ({ txHash, kind, payload: { item: txHash.slice(2, 10) } }))
    if (size === 1) await post(`${apiUrl}/v1/transactions`, bodies[0])
    else await post(`${apiUrl}/v1/transactions/batch`, { transactions: bodies })
    const registeredAtMs = Date.now()
    for (const txHash of hashes) readableAtMs.set(txHash, Math.max(planned.readableAtMs, registeredAtMs))
  }

  return {
    readableAtMs,
    send: async ({ count, size, perSecond, concurrency, kind, open }) => {
      const startedAt = Date.now()
      const requests = Math.ceil(count / size)
      let next = 0
      async function work(): Promise<void> {
        for (let index = next++; index < requests; index = next++) {
          if (perSecond !== null) {
            await sleep(Math.max(0, startedAt + (index * size * 1_000) / perSecond - Date.now()))
          }
          while (open && index * size - open.settled() > open.most) await sleep(10)
          await sendOne(Math.min(size, count - index * size), kind)
        }
      }
      await Promise.all(Array.from({ length: concurrency }, work))
    },
    close: () => agent.close(),
  }
}
