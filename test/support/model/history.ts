import fc from 'fast-check'
import { NODE_VIEWS, type NodeView } from './chain.ts'
import { UNIT_MS } from './policy.ts'
import { CHAINS, type ChainName, isApi, PROCESSES, TRANSACTIONS } from './processes.ts'
import type { Fault } from './stepper.ts'

/**
 * One thing that happens in a history. `pick` chooses among what is there, counted round; `transaction` is a place in
 * TRANSACTIONS.
 */
export type Happening =
  | { readonly do: 'register' | 'recheck' | 'reorganise' | 'replace'; readonly transaction: number }
  /** Another service publishes the hash, with this content. */
  | { readonly do: 'publish-foreign'; readonly transaction: number; readonly content: number }
  | { readonly do: 'include'; readonly transaction: number; readonly succeeded: boolean }
  /** A worker takes a check; the flow stands before its first operation. */
  | { readonly do: 'take'; readonly worker: number; readonly pick: number }
  | { readonly do: 'sweep'; readonly worker: number }
  /** One operation of a flow under way. */
  | { readonly do: 'step'; readonly pick: number; readonly fault: Fault }
  /** All flows under way run to their end. */
  | { readonly do: 'drain' }
  /** So many units of time in which everything due is done without a fault, but as the node sees it. */
  | { readonly do: 'rounds'; readonly count: number }
  /** A worker takes a check and is killed after so many operations. */
  | { readonly do: 'die'; readonly worker: number; readonly pick: number; readonly operations: number }
  /** SIGKILL for one of PROCESSES. */
  | { readonly do: 'crash'; readonly process: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'mine'; readonly chain: ChainName; readonly blocks: number }
  | { readonly do: 'see'; readonly chain: ChainName; readonly view: NodeView }
  /** The business write throws from now on, or no more. */
  | { readonly do: 'refuse'; readonly refusing: boolean }
  | { readonly do: 'broker'; readonly isUp: boolean }
  | { readonly do: 'duplicate' | 'lose'; readonly pick: number }
  | { readonly do: 'purge' }

export interface History {
  readonly queue: 'broker' | 'table'
  /** Blocks that must follow a receipt. */
  readonly depth: number
  readonly happenings: readonly Happening[]
}

/** How much time may pass at once: whole units only where a real clock runs beside. */
export const COARSE_ADVANCES_MS = [UNIT_MS, 2 * UNIT_MS, 6 * UNIT_MS, 16 * UNIT_MS] as const
export const ALL_ADVANCES_MS = [...COARSE_ADVANCES_MS, 10, 240, UNIT_MS - 250, UNIT_MS - 240] as const

export function histories(options: {
  readonly maxLength: number
  readonly advancesMs: readonly number[]
}): fc.Arbitrary<History> {
  const transaction = fc.nat({ max: TRANSACTIONS.length - 1 })
  const chain = fc.constantFrom(...CHAINS)
  const pick = fc.nat({ max: 5 })
  const worker = fc.constantFrom(...[...PROCESSES.keys()].filter((process) => !isApi(process)))
  const of = <const D extends Happening['do'], F extends object>(
    what: D,
    fields: { [K in keyof F]: fc.Arbitrary<F[K]> },
  ): fc.Arbitrary<{ do: D } & F> => fc.record(fields).map((given) => ({ do: what, ...given }))
  const fault = fc.oneof(
    { arbitrary: fc.constant<Fault>('none'), weight: 8 },
    { arbitrary: fc.constant<Fault>('before'), weight: 1 },
    { arbitrary: fc.constant<Fault>('after'), weight: 1 },
  )
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    { weight: 4, arbitrary: of('register', { transaction }) },
    { weight: 2, arbitrary: of('publish-foreign', { transaction, content: fc.nat({ max: 1 }) }) },
    { weight: 3, arbitrary: of('recheck', { transaction }) },
    { weight: 4, arbitrary: of('include', { transaction, succeeded: fc.boolean() }) },
    { weight: 2, arbitrary: of('reorganise', { transaction }) },
    { weight: 1, arbitrary: of('replace', { transaction }) },
    { weight: 14, arbitrary: of('take', { worker, pick }) },
    { weight: 4, arbitrary: of('sweep', { worker }) },
    { weight: 20, arbitrary: of('step', { pick, fault }) },
    { weight: 14, arbitrary: of('drain', {}) },
    { weight: 5, arbitrary: of('rounds', { count: fc.constantFrom(1, 2, 4, 8, 24) }) },
    { weight: 5, arbitrary: of('die', { worker, pick, operations: fc.nat({ max: 6 }) }) },
    { weight: 4, arbitrary: of('crash', { process: fc.nat({ max: PROCESSES.length - 1 }) }) },
    { weight: 12, arbitrary: of('advance', { ms: fc.constantFrom(...options.advancesMs) }) },
    { weight: 3, arbitrary: of('mine', { chain, blocks: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 5, arbitrary: of('see', { chain, view: fc.constantFrom('truth', 'truth', ...NODE_VIEWS) }) },
    { weight: 2, arbitrary: of('refuse', { refusing: fc.boolean() }) },
    { weight: 1, arbitrary: of('broker', { isUp: fc.boolean() }) },
    { weight: 3, arbitrary: of('duplicate', { pick }) },
    { weight: 1, arbitrary: of('lose', { pick }) },
    { weight: 1, arbitrary: of('purge', {}) },
  )
  return fc.record({
    queue: fc.constantFrom('broker', 'broker', 'table'),
    depth: fc.constantFrom(0, 2),
    happenings: fc
      .tuple(
        fc.constantFrom<Happening>(
          { do: 'register', transaction: 0 },
          { do: 'publish-foreign', transaction: 0, content: 0 },
        ),
        fc.array(happening, { minLength: 10, maxLength: options.maxLength, size: 'max' }),
      )
      .map(([first, others]) => [first, ...others]),
  })
}
