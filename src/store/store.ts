import type { Knex } from 'knex'
import { countOpen } from './counts.ts'
import { pingDatabase } from './database.ts'
import { leaseOverdue, leaseWatched } from './lease.ts'
import { list, load } from './read.ts'
import { reopen } from './recheck.ts'
import { record } from './record.ts'
import { expire, settle, settleReplaced, stall } from './settle.ts'
import { clearSuspicion, noteSuspicion, park } from './suspicion.ts'
import { markUnpublished } from './unpublished.ts'
import { recordHandlerFailure, recordLook, recordWait } from './wait.ts'

type WithoutDb<F> = F extends (db: Knex, ...args: infer A) => infer R ? (...args: A) => R : never

/** Every statement of the flows, bound to one pool. Transactions begin and end inside each of them. */
export function createStore(db: Knex) {
  const bind = <F extends (db: Knex, ...args: never[]) => unknown>(f: F) =>
    ((...args: never[]) => f(db, ...args)) as WithoutDb<F>
  return {
    record: bind(record),
    load: bind(load),
    list: bind(list),
    settle: bind(settle),
    settleReplaced: bind(settleReplaced),
    stall: bind(stall),
    expire: bind(expire),
    recordWait: bind(recordWait),
    recordHandlerFailure: bind(recordHandlerFailure),
    recordLook: bind(recordLook),
    reopen: bind(reopen),
    noteSuspicion: bind(noteSuspicion),
    clearSuspicion: bind(clearSuspicion),
    park: bind(park),
    markUnpublished: bind(markUnpublished),
    leaseOverdue: bind(leaseOverdue),
    leaseWatched: bind(leaseWatched),
    countOpen: bind(countOpen),
    ping: bind(pingDatabase),
  }
}

export type Store = ReturnType<typeof createStore>
