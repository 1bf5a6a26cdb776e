/**
 * The numbers that one database gave to the events of the feed, one after the other. A restored, promoted or copied
 * database begins an epoch of its own, so that one number is never given to two events.
 */
export interface Epoch {
  readonly epoch: number
  /** The number of its first event. */
  readonly firstSequence: number
  /** The number of its newest event; below the first while there is none. */
  readonly lastSequence: number
}

/** Numbers of an epoch begin at its own multiple of this. */
export const EPOCH_SIZE = 1_000_000_000_000

/**
 * Why a reader can't go on after a number: this database has not given it. Null if it can. 0 is before the first event.
 */
export function cursorProblem(after: number, epochs: readonly Epoch[]): string | null {
  if (after === 0) return null
  const own = epochs.find(({ epoch }) => epoch === Math.floor(after / EPOCH_SIZE))
  if (own && after >= own.firstSequence - 1 && after <= own.lastSequence) return null
  const last = (own ?? epochs.at(-1))?.lastSequence ?? 0
  return (
    `no event of this database has the number ${after}: it was restored or promoted since, and begins a new epoch then. ` +
    `The last number${own ? ' of that epoch' : ''} here is ${last}; go on with after=${last}, or compare with what you have`
  )
}
