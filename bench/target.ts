import type { Lifecycle } from '../src/lifecycle.ts'
import { countSettled, readSettledAt, startConfirmd } from './confirmd.ts'
import type { Parts } from './parts.ts'
import { startPeer } from './peers.ts'

/** What registers transactions and settles them: confirmd, or a peer. */
export interface Target {
  readonly apiUrl: string
  countSettled(): Promise<number>
  /** Unix time in ms by hash. */
  readSettledAt(): Promise<ReadonlyMap<string, number>>
}

export type TargetName = 'confirmd' | 'original-design' | 'viem'

export const TARGET_TITLES: Readonly<Record<TargetName, string>> = {
  confirmd: 'confirmd',
  'original-design': 'the original design',
  viem: 'viem waitForTransactionReceipt',
}

export async function startTarget(
  lifecycle: Lifecycle,
  parts: Parts,
  name: TargetName,
  nodeUrl: string,
): Promise<Target> {
  if (name !== 'confirmd') return startPeer(lifecycle, parts, name, nodeUrl)
  const { apiUrl, db } = await startConfirmd(lifecycle, parts, { nodeUrl })
  return { apiUrl, countSettled: () => countSettled(db), readSettledAt: () => readSettledAt(db) }
}
