import type { Knex } from 'knex'
import { createBatches } from './batches.ts'
import { countOpen } from './counts.ts'
import { pingDatabase } from './database.ts'
import { beginBlocks, findOpen, oldestOpen, readCursor, saveCursor, wakeWatched } from './follow.ts'
import { leaseOverdue, leaseWatched } from './lease.ts'
import { list, load } from './read.ts'
import { reopen } from './recheck.ts'
import { expire, settleReplaced, stall } from './steps.ts'
import { clearSuspicion, noteSuspicion, park } from './suspicion.ts'
import { markUnpublished } from './unpublished.ts'
import { recordHandlerFailure, recordLook } from './wait.ts'

type WithoutDb<F> = F extends (db: Knex, ...args: infer A) => infer R ? (...args: A) => R : never

/** Every statement of the flows, bound to one pool. Transactions begin and end inside each of them. */
export function createStore(db: Knex) {
  const bind = <F extends (db: Knex, ...args: never[]) => unknown>(f: F) =>
    ((...args: never[]) => f(db, ...args)) as WithoutDb<F>
  return {
    ...createBatches(db),
    load: bind(load),
    list: bind(list),
    settleReplaced: bind(settleReplaced),
    stall: bind(stall),
    expire: bind(expire),
    recordHandlerFailure: bind(recordHandlerFailure),
    recordLook: bind(recordLook),
    reopen: bind(reopen),
    noteSuspicion: bind(noteSuspicion),
    clearSuspicion: bind(clearSuspicion),
    park: bind(park),
    markUnpublished: bind(markUnpublished),
    leaseOverdue: bind(leaseOverdue),
    leaseWatched: bind(leaseWatched),
    readCursor: bind(readCursor),
    saveCursor: bind(saveCursor),
    beginBlocks: bind(beginBlocks),
    oldestOpen: bind(oldestOpen),
    findOpen: bind(findOpen),
    wakeWatched: bind(wakeWatched),
    countOpen: bind(countOpen),
    ping: bind(pingDatabase),
  }
}

export type Store = ReturnType<typeof createStore>
