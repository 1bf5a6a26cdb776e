/** What to do with a kind for which no process has a handler, where any kind was ever handled. */
export const UNKNOWN_KINDS = ['park', 'settle', 'refuse'] as const
export type UnknownKinds = (typeof UNKNOWN_KINDS)[number]

/** What this process may do with a transaction of a kind once its receipt is final. */
export type KindRole =
  /** It has a handler, which may still have nothing to write for this verdict. */
  | { readonly role: 'handles' }
  /** Settle it without a write, if `onlyIfNoneHandled` while no kind was ever handled in the database. */
  | { readonly role: 'settles'; readonly onlyIfNoneHandled: boolean }
  /** Leave it to the processes that handle it. */
  | { readonly role: 'leaves'; readonly reason: string }
  /** Set it aside until a process handles it. */
  | { readonly role: 'parks'; readonly reason: string }

export interface KnownKinds {
  /** Those that this process has a handler for. */
  readonly own: ReadonlySet<string>
  /** Those that were ever handled in this database, with the time since a process that handles them was heard of. */
  readonly handled: ReadonlyMap<string, { readonly idleMs: number }>
  readonly unknownKinds: UnknownKinds
}

/** A process that handles a kind says so every 5 s. */
const ALIVE_MS = 60_000
const KINDS_NAMED = 20

/** No kind that was ever handled is settled without its write; nor any other, once there are handlers. */
export function kindRoleOf(kind: string, { own, handled, unknownKinds }: KnownKinds): KindRole {
  if (own.has(kind)) return { role: 'handles' }
  const known = handled.get(kind)
  if (known && known.idleMs < ALIVE_MS) {
    return { role: 'leaves', reason: `left to the workers that have the handler of kind '${kind}'` }
  }
  if (known) {
    const forS = Math.round(known.idleMs / 1_000)
    const reason = `no handler of kind '${kind}' is running: the last worker that had it was heard of ${forS} s ago. Start one, and it goes on by itself`
    return { role: 'parks', reason }
  }
  if (handled.size === 0 && own.size === 0) return { role: 'settles', onlyIfNoneHandled: true }
  if (unknownKinds === 'settle') return { role: 'settles', onlyIfNoneHandled: false }
  const reason = `no handler of kind '${kind}' was ever seen; handled are: ${namesOf(handled, own)}. Add it to HANDLERS, or declare it with noWrite, and it goes on by itself`
  return { role: 'parks', reason }
}

/** Why a registration of a kind is not taken; null if it is. */
export function refusalOfKind(
  kind: string,
  { known, unknownKinds }: { readonly known: ReadonlySet<string>; readonly unknownKinds: UnknownKinds },
): string | null {
  if (unknownKinds !== 'refuse' || known.has(kind)) return null
  return `the kind '${kind}' has no handler; known are: ${namesOf(known)} (UNKNOWN_KINDS is refuse)`
}

/** Kinds by name, for a message; not more than a person reads. */
export function namesOf(...sources: readonly { keys(): Iterable<string> }[]): string {
  const names = [...new Set(sources.flatMap((source) => [...source.keys()]))].sort()
  const named = names.slice(0, KINDS_NAMED).join(', ')
  return names.length > KINDS_NAMED ? `${named} and ${names.length - KINDS_NAMED} more` : named || 'none'
}
