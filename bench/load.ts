import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchChain, Post } from './chains.ts'

export interface LoadOptions {
  readonly count: number
  /** Transactions in one request. */
  readonly size: number
  /** Transactions begun in a second; null: as many as are taken. */
  readonly perSecond: number | null
  readonly concurrency: number
  readonly kind: string
  /** Waits while more than `most` are sent and not settled. */
  readonly open?: { readonly most: number; readonly settled: () => number }
}

/**
 * Sends transactions to the chain and registers each at once, as backends do. Resolves, when all are registered,
 * with the times at which the registrations were answered, Unix time in ms.
 */
export async function sendLoad(
  post: Post,
  chain: BenchChain,
  apiUrl: string,
  { count, size, perSecond, concurrency, kind, open }: LoadOptions,
): Promise<ReadonlyMap<string, number>> {
  const registeredAtMs = new Map<string, number>()
  const startedAt = Date.now()
  const requests = Math.ceil(count / size)
  let next = 0

  async function sendOne(index: number): Promise<void> {
    const hashes = await chain.send(Math.min(size, count - index * size))
    const bodies = hashes.map((txHash) => ({ txHash, kind, payload: { item: txHash.slice(2, 10) } }))
    if (size === 1) await post(`${apiUrl}/v1/transactions`, bodies[0])
    else await post(`${apiUrl}/v1/transactions/batch`, { transactions: bodies })
    for (const txHash of hashes) registeredAtMs.set(txHash, Date.now())
  }

  async function work(): Promise<void> {
    for (let index = next++; index < requests; index = next++) {
      if (perSecond !== null) {
        await sleep(Math.max(0, startedAt + (index * size * 1_000) / perSecond - Date.now()))
      }
      while (open && index * size - open.settled() > open.most) await sleep(10)
      await sendOne(index)
    }
  }

  await Promise.all(Array.from({ length: concurrency }, work))
  return registeredAtMs
}
