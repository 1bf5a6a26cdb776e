import { createHash } from 'node:crypto'
import type { Ending } from './chain.ts'
import type { Random } from './random.ts'

/** A transaction of a drill and what is true of it. */
export interface Entry {
  /** The chain on which it is registered. */
  readonly chain: string
  readonly txHash: string
  /** The kind under which it is registered. */
  readonly kind: string
  /** Null: it never appears on the chain. */
  truth: Ending | null
  /** Time from its registration until it can be on the chain, in ms. */
  delayMs: number
  /** The API said that it is recorded (202, or 200 on a repeated request). */
  recorded: boolean
}

export interface Mix {
  readonly kind: string
  /** Shares of the transactions; the rest is confirmed. */
  readonly failed: number
  readonly absent: number
  readonly replaced: number
  readonly maxDelayMs: number
}

/** The chain of the processes whose settings name none. */
const USUAL_CHAIN = 'kaia'
const USUAL_MIX: Mix = { kind: 'order', failed: 0.2, absent: 0.05, replaced: 0, maxDelayMs: 4_000 }

/** The truth of every hash, decided before anything runs. */
export interface Ledger {
  readonly entries: readonly Entry[]
  make(count: number, mix?: Partial<Mix>): Entry[]
  /** The same hashes once more: under another kind, or on another chain with an ending of their own. */
  repeat(entries: readonly Entry[], change: (entry: Entry) => Partial<Pick<Entry, RepeatedField>>): Entry[]
}

type RepeatedField = 'chain' | 'kind' | 'truth'

export function createLedger(seed: string, random: Random): Ledger {
  const entries: Entry[] = []

  function truthOf({ failed, absent, replaced }: Mix): Ending | null {
    const chance = random()
    if (chance < absent) return null
    if (chance < absent + replaced) return 'replaced'
    return chance < absent + replaced + failed ? 'failed' : 'confirmed'
  }

  return {
    entries,
    make: (count, mix = {}) => {
      const complete = { ...USUAL_MIX, ...mix }
      const made = Array.from({ length: count }, (_, index): Entry => {
        const name = `${seed}:${entries.length + index}`
        return {
          chain: USUAL_CHAIN,
          txHash: `0x${createHash('sha256').update(name).digest('hex')}`,
          kind: complete.kind,
          truth: truthOf(complete),
          delayMs: Math.floor(random() * complete.maxDelayMs),
          recorded: false,
        }
      })
      entries.push(...made)
      return made
    },
    repeat: (repeated, change) => {
      const made = repeated.map((entry): Entry => ({ ...entry, ...change(entry), recorded: false }))
      entries.push(...made)
      return made
    },
  }
}
