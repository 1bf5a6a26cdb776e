import type { Knex } from 'knex'
import { addActivity, forgetActivity, readActivity } from './activity.ts'
import { advance, keepLease } from './advance.ts'
import { createBatches } from './batches.ts'
import { countOpen, countUnsent, countWebhooks } from './counts.ts'
import { pingDatabase } from './database.ts'
import { createRecordAttempt, leaseDeliveries } from './deliveries.ts'
import { addTestDelivery, listDeliveries, replayDelivery, replayRange } from './delivery-log.ts'
import { beginEpoch, readEpochs } from './epochs.ts'
import { readCursors } from './event-cursors.ts'
import { endOfScan, type FeedQuery, readEvents } from './feed.ts'
import {
  findOpen,
  oldestOpen,
  readCursor,
  rewindCursor,
  saveCursor,
  scheduleEndedChecks,
  wakeWatched,
} from './follow.ts'
import { listHandledKinds, noteHandledKinds, unparkHandled } from './handled-kinds.ts'
import { leaseOverdue, leaseWatched } from './lease.ts'
import { forgetProcess, listProcesses, reportProcess, touchProcess } from './processes.ts'
import { count, findDecided, list, load, loadWithLooks } from './read.ts'
import { reopen } from './recheck.ts'
import { refusalOf } from './statement-errors.ts'
import { expire, settleReplaced, stall } from './steps.ts'
import { listTransactionEvents } from './transaction-events.ts'
import { markUnpublished } from './unpublished.ts'
import { recordLook } from './wait.ts'
import { workOnWebhooks } from './webhook-work.ts'
import {
  createWebhook,
  deleteWebhook,
  listWebhooks,
  loadWebhook,
  rotateSecret,
  updateWebhook,
} from './webhooks.ts'
import { beginWriteAttempt, noteReason, park, recordRefusal, recordWriteFailure } from './write-attempts.ts'
import { writeLimits } from './write-limits.ts'

type WithoutDb<F> = F extends (db: Knex, ...args: infer A) => infer R ? (...args: A) => R : never

export interface StoreOptions {
  /** What hands out, counts or checks rows does it for this chain alone. */
  readonly chain: string
  /** Limit of one business write. Left out: no business write of this process takes long. */
  readonly handlerTimeoutMs?: number
}

/** Every statement of the flows, bound to one pool. Transactions begin and end inside each of them. */
export function createStore(db: Knex, { chain, handlerTimeoutMs = 0 }: StoreOptions) {
  const bind = <F extends (db: Knex, ...args: never[]) => unknown>(f: F) =>
    ((...args: never[]) => f(db, ...args)) as WithoutDb<F>
  return {
    ...createBatches(db, { chain, limits: writeLimits(handlerTimeoutMs) }),
    load: bind(load),
    loadWithLooks: bind(loadWithLooks),
    list: bind(list),
    count: bind(count),
    settleReplaced: bind(settleReplaced),
    stall: bind(stall),
    expire: bind(expire),
    beginWriteAttempt: bind(beginWriteAttempt),
    recordWriteFailure: bind(recordWriteFailure),
    recordRefusal: bind(recordRefusal),
    noteReason: bind(noteReason),
    refusalOf,
    noteHandledKinds: bind(noteHandledKinds),
    listHandledKinds: bind(listHandledKinds),
    unparkHandled: bind(unparkHandled),
    recordLook: bind(recordLook),
    reopen: bind(reopen),
    park: bind(park),
    markUnpublished: bind(markUnpublished),
    leaseOverdue: (options: { graceMs: number; limit: number }) => leaseOverdue(db, { chain, ...options }),
    leaseWatched: (options: { intervalMs: number; limit: number }) => leaseWatched(db, { chain, ...options }),
    readCursor: bind(readCursor),
    saveCursor: bind(saveCursor),
    rewindCursor: bind(rewindCursor),
    oldestOpen: bind(oldestOpen),
    findOpen: bind(findOpen),
    wakeWatched: bind(wakeWatched),
    scheduleEndedChecks: bind(scheduleEndedChecks),
    countOpen: () => countOpen(db, chain),
    findDecided: bind(findDecided),
    advance: bind(advance),
    keepLease: bind(keepLease),
    beginEpoch: () => beginEpoch(db),
    readEpochs: bind(readEpochs),
    readEvents: (query: FeedQuery) => readEvents(db, chain, query),
    endOfScan: (scan: { after: number; events: number }) => endOfScan(db, chain, scan),
    readCursors: () => readCursors(db, chain),
    leaseDeliveries: bind(leaseDeliveries),
    recordAttempt: createRecordAttempt(db),
    createWebhook: bind(createWebhook),
    listWebhooks: bind(listWebhooks),
    loadWebhook: bind(loadWebhook),
    updateWebhook: bind(updateWebhook),
    deleteWebhook: bind(deleteWebhook),
    rotateSecret: bind(rotateSecret),
    addTestDelivery: bind(addTestDelivery),
    listDeliveries: bind(listDeliveries),
    replayDelivery: bind(replayDelivery),
    replayRange: bind(replayRange),
    workOnWebhooks: bind(workOnWebhooks),
    listTransactionEvents: bind(listTransactionEvents),
    addActivity: bind(addActivity),
    readActivity: bind(readActivity),
    forgetActivity: bind(forgetActivity),
    reportProcess: bind(reportProcess),
    touchProcess: bind(touchProcess),
    forgetProcess: bind(forgetProcess),
    listProcesses: bind(listProcesses),
    countWebhooks: bind(countWebhooks),
    countUnsent: bind(countUnsent),
    ping: bind(pingDatabase),
  }
}

export type Store = ReturnType<typeof createStore>
