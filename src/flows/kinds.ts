import { type KindRole, kindRoleOf, refusalOfKind, type UnknownKinds } from '../domain/kind-role.ts'
import type { Log } from './ports.ts'

export interface KindsDependencies {
  readonly chain: string
  /** Those that this process handles; empty in an API. */
  readonly own: ReadonlySet<string>
  readonly unknownKinds: UnknownKinds
  readonly store: {
    noteHandledKinds(chain: string, kinds: readonly string[]): Promise<void>
    listHandledKinds(chain: string): Promise<readonly { kind: string; idleMs: number }[]>
    unparkHandled(which: { chain: string; kinds: readonly string[]; limit: number }): Promise<number>
  }
  readonly log: Log
}

/** Which kinds are handled in this database, as it was a few seconds ago. */
export interface Kinds {
  roleOf(kind: string): KindRole
  /** Why a registration of this kind is not taken; null if it is. */
  refuse(registration: { readonly kind: string }): string | null
  /** Tells the others what this process handles, learns what they do, and takes up what waited for a handler. */
  refresh(): Promise<void>
}

const UNPARKED_AT_ONCE = 1_000

export function createKinds({ chain, own, unknownKinds, store, log }: KindsDependencies): Kinds {
  let handled: ReadonlyMap<string, { idleMs: number }> = new Map()

  return {
    roleOf: (kind) => kindRoleOf(kind, { own, handled, unknownKinds }),
    refuse: ({ kind }) => refusalOfKind(kind, { known: new Set([...own, ...handled.keys()]), unknownKinds }),
    refresh: async () => {
      await store.noteHandledKinds(chain, [...own])
      handled = new Map((await store.listHandledKinds(chain)).map((each) => [each.kind, each]))
      const which = { chain, kinds: [...own], limit: UNPARKED_AT_ONCE }
      for (let count = UNPARKED_AT_ONCE; count === UNPARKED_AT_ONCE; ) {
        count = await store.unparkHandled(which)
        if (count > 0) log.info({ count }, 'transactions taken up again: a handler of their kind is running')
      }
    },
  }
}
