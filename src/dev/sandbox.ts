/** What a test hash makes the development chain say of it, by how it begins; the rest of it is yours. */
export const SANDBOX_PREFIXES = {
  confirm: '0x5a4d0001',
  revert: '0x5a4d0002',
  unseen: '0x5a4d0003',
  late: '0x5a4d0004',
} as const
export type SandboxOutcome = keyof typeof SANDBOX_PREFIXES

/** A late one is there so long after it was first asked for. */
const LATE_MS = 6_000

export interface Sandbox {
  /** The result of a call that asks for a test hash; undefined if it asks for anything else. */
  resultOf(method: string, params: readonly unknown[]): Promise<unknown> | undefined
}

interface Block {
  readonly number: string
  readonly hash: string
}

/**
 * Plays transactions that are on no chain: a backend that registers a test hash sees the outcome that it stands for.
 * Each is in a real block, the newest when it was first asked for, so that everything else is as it always is. They
 * are not in the list of its hashes: the queue finds them, not the block follower.
 */
export function createSandbox(newestBlock: () => Promise<Block>, now: () => number = Date.now): Sandbox {
  const firstAskedAt = new Map<string, number>()
  const includedIn = new Map<string, Promise<Block>>()

  async function receiptOf(txHash: string, outcome: SandboxOutcome): Promise<unknown> {
    const askedAt = firstAskedAt.get(txHash) ?? now()
    firstAskedAt.set(txHash, askedAt)
    if (outcome === 'unseen' || (outcome === 'late' && now() - askedAt < LATE_MS)) return null
    const including = includedIn.get(txHash) ?? newestBlock()
    includedIn.set(txHash, including)
    const block = await including
    const failed = outcome === 'revert'
    return {
      transactionHash: txHash,
      blockHash: block.hash,
      blockNumber: block.number,
      transactionIndex: '0x0',
      status: failed ? '0x0' : '0x1',
      ...(failed ? { txError: '0x9' } : {}),
      gasUsed: '0x5208',
      effectiveGasPrice: '0x5d21dba00',
      from: SENDER,
      to: SENDER,
      logs: [],
    }
  }

  return {
    resultOf: (method, [txHash]) => {
      if (typeof txHash !== 'string') return undefined
      const outcome = outcomeOf(txHash)
      if (outcome === null) return undefined
      if (method.endsWith('_getTransactionReceipt')) return receiptOf(txHash, outcome)
      // In the pool of no node, so that nobody waits for it there.
      if (method.endsWith('_getTransactionByHash')) return Promise.resolve(null)
      return undefined
    },
  }
}

const SENDER = `0x${'5a4d'.repeat(10)}`

function outcomeOf(txHash: string): SandboxOutcome | null {
  const prefixes = Object.entries(SANDBOX_PREFIXES) as [SandboxOutcome, string][]
  return prefixes.find(([, prefix]) => txHash.startsWith(prefix))?.[0] ?? null
}
