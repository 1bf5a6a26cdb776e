import type { Ending } from './chain.ts'
import type { Entry, Ledger } from './ledger.ts'
import type { Random } from './random.ts'

/** The same transactions on two chains. */
export interface OppositeEntries {
  readonly first: readonly Entry[]
  readonly second: readonly Entry[]
}

export interface OppositeOptions {
  readonly count: number
  readonly secondChain: string
  /** How much later than others a transaction is replaced: what no node has shown twice by then may stay stalled. */
  readonly replacedAfterMs: number
}

/** Half of the transactions are confirmed, so that the other half can be confirmed on the other chain. */
const MIX = { failed: 0.35, replaced: 0.1, absent: 0.05 }
/** Share of the hashes that are registered under a second kind too, on both chains. */
const TWO_KINDS = 0.05
const SECOND_KIND = 'transfer'

/** Hashes that exist on both chains and are confirmed on exactly one of them. */
export function makeOpposite(
  ledger: Ledger,
  random: Random,
  { count, secondChain, replacedAfterMs }: OppositeOptions,
): OppositeEntries {
  const onFirst = ledger.make(count, MIX)
  const onSecond = ledger.repeat(onFirst, ({ truth }) => ({
    chain: secondChain,
    truth: truth === 'confirmed' ? notConfirmed(random) : 'confirmed',
  }))
  for (const entry of [...onFirst, ...onSecond]) {
    if (entry.truth === 'replaced') entry.delayMs += replacedAfterMs
  }
  const withSecondKind = (entries: readonly Entry[]) => [
    ...entries,
    ...ledger.repeat(entries.slice(0, Math.ceil(count * TWO_KINDS)), () => ({ kind: SECOND_KIND })),
  ]
  return { first: withSecondKind(onFirst), second: withSecondKind(onSecond) }
}

/** In the proportions in which it is so on the first chain. */
function notConfirmed(random: Random): Ending | null {
  const { failed, replaced, absent } = MIX
  const chance = random() * (failed + replaced + absent)
  if (chance < failed) return 'failed'
  return chance < failed + replaced ? 'replaced' : null
}
