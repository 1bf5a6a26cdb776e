import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { aLook } from '../../src/dev/sample-look.ts'
import { WriteFailedError } from '../../src/domain/handler.ts'
import type { Receipt } from '../../src/domain/receipt.ts'
import type { Registration } from '../../src/domain/registration.ts'
import type { Transaction } from '../../src/domain/transaction.ts'
import type { BusinessWrite, Settlement, SettleOutcome } from '../../src/store/settle.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createOrderTables } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'

let database: TestDatabase
let store: Store

beforeAll(async () => {
  database = await createTestDatabase()
  await createOrderTables(database.db)
})
beforeEach(() => {
  store = createStore(database.db, { chain: 'kaia' })
})
afterAll(() => database.drop())

function registrationOf(changes: Partial<Registration> = {}): Registration {
  const given = { chain: 'kaia', txHash: randomHash(), kind: 'order', payload: null }
  return { ...given, sender: null, nonce: null, correlationId: null, traceParent: null, ...changes }
}

async function recorded(count: number): Promise<Transaction[]> {
  const made = Array.from({ length: count }, () => store.record(registrationOf()))
  return (await Promise.all(made)).map(({ transaction }) => transaction)
}

function verdictOf({ txHash }: Transaction) {
  const receipt: Receipt = {
    txHash,
    succeeded: true,
    sender: null,
    nonce: null,
    txError: null,
    blockNumber: 7,
    blockHash: randomHash(),
    transactionIndex: 0,
    gasUsed: '21000',
    effectiveGasPriceWei: '1',
    raw: { transactionHash: txHash },
    notes: [],
  }
  return { status: 'confirmed' as const, receipt, failure: null, look: aLook('confirmed') }
}

function settle(
  transaction: Transaction,
  businessWrite: BusinessWrite | null,
  changes: Partial<Settlement> = {},
  by: Store = store,
): Promise<SettleOutcome> {
  const writeState = businessWrite ? 'done' : 'none'
  const given = { transaction, ...verdictOf(transaction), businessWrite, writeState } as const
  return by.settle({ ...given, onlyIfNoneHandled: false, ...changes }, { isAlone: false })
}

const writeOrder: BusinessWrite = async (trx, { id, txHash, status }) => {
  await trx('orders').insert({ transaction_id: id, tx_hash: txHash, status })
}

async function stored(transactions: readonly Transaction[]) {
  const ids = transactions.map(({ id }) => id)
  const rows = await database.db('confirmd.transaction_history').whereIn('id', ids).select('id', 'status')
  const orders = await database.db('orders').whereIn('transaction_id', ids).select('transaction_id')
  const events = await database.db('confirmd.outbox').whereIn('transaction_id', ids).select('transaction_id')
  const countOf = (found: { transaction_id: string }[], id: string) =>
    found.filter((each) => each.transaction_id === id).length
  return ids.map((id) => ({
    status: rows.find((row) => row.id === id)?.status,
    orders: countOf(orders, id),
    events: countOf(events, id),
  }))
}

const CONFIRMED = { status: 'confirmed', orders: 1, events: 1 }
const UNTOUCHED = { status: 'pending', orders: 0, events: 0 }

describe('settles that share a database transaction', () => {
  it('commit each its verdict, its business write and its event', async () => {
    const transactions = await recorded(30)
    const settled = await Promise.all(transactions.map((each) => settle(each, writeOrder)))
    expect(settled.map((each) => each.kind === 'settled' && each.transaction.id)).toEqual(
      transactions.map(({ id }) => id),
    )
    expect(await stored(transactions)).toEqual(transactions.map(() => CONFIRMED))
  })

  it('lose nothing to a neighbour whose business write throws; of that one nothing remains', async () => {
    const transactions = await recorded(9)
    const outcomes = await Promise.allSettled(
      transactions.map((each, index) =>
        settle(each, async (trx, settled) => {
          await writeOrder(trx, settled)
          if (index % 4 === 1) throw new Error(`refused ${index}`)
        }),
      ),
    )
    expect(
      outcomes.map((each) => (each.status === 'rejected' ? each.reason.cause.message : 'settled')),
    ).toEqual(transactions.map((_, index) => (index % 4 === 1 ? `refused ${index}` : 'settled')))
    expect(await stored(transactions)).toEqual(
      transactions.map((_, index) => (index % 4 === 1 ? UNTOUCHED : CONFIRMED)),
    )
  })

  it('are not ended by a business write that commits or rolls back by itself', async () => {
    const transactions = await recorded(6)
    const writes: Record<number, BusinessWrite> = {
      1: async (trx, settled) => {
        await writeOrder(trx, settled)
        await trx.commit()
      },
      4: async (trx, settled) => {
        await writeOrder(trx, settled)
        await trx.rollback(new Error('rolled back by itself'))
      },
    }
    const settled = await Promise.allSettled(
      transactions.map((each, index) => settle(each, writes[index] ?? writeOrder)),
    )
    expect(settled.map(({ status }) => status)).toEqual(
      transactions.map((_, index) => (index in writes ? 'rejected' : 'fulfilled')),
    )
    expect(await stored(transactions)).toEqual(
      transactions.map((_, index) => (index in writes ? UNTOUCHED : CONFIRMED)),
    )
  })

  it('do not wait for what one that is given up has left open', async () => {
    const transactions = await recorded(5)
    const inAnother: BusinessWrite = (trx, settled) => trx.transaction((inner) => writeOrder(inner, settled))
    const givenUp: BusinessWrite = async (trx) => {
      void trx.transaction(() => new Promise(() => undefined)).catch(() => undefined)
      throw new WriteFailedError('timeout', 'order', 'it did not finish')
    }
    const settled = await Promise.allSettled(
      transactions.map((each, index) => settle(each, index === 1 ? givenUp : inAnother)),
    )
    expect(settled.map(({ status }) => status)).toEqual(
      transactions.map((_, index) => (index === 1 ? 'rejected' : 'fulfilled')),
    )
    expect(await stored(transactions)).toEqual(
      transactions.map((_, index) => (index === 1 ? UNTOUCHED : CONFIRMED)),
    )
  })

  it('settle a row once that comes twice in one batch, and write for it once', async () => {
    const [only] = await recorded(1)
    if (!only) throw new Error('nothing was recorded')
    const outcomes = await Promise.all([1, 2, 3].map(() => settle(only, writeOrder)))
    expect(outcomes.filter(({ kind }) => kind === 'settled')).toHaveLength(1)
    expect(await stored([only])).toEqual([CONFIRMED])
  })

  it('settle a row once that two processes have in batches of different order', async () => {
    const transactions = await recorded(40)
    const other = createStore(database.db, { chain: 'kaia' })
    const outcomes = await Promise.all([
      ...transactions.map((each) => settle(each, writeOrder)),
      ...transactions.toReversed().map((each) => settle(each, writeOrder, {}, other)),
    ])
    expect(outcomes.filter(({ kind }) => kind === 'settled')).toHaveLength(transactions.length)
    expect(await stored(transactions)).toEqual(transactions.map(() => CONFIRMED))
  })

  it('are settled without one whose receipt can not be stored', async () => {
    const transactions = await recorded(5)
    const outcomes = await Promise.allSettled(
      transactions.map((each, index) => {
        const verdict = verdictOf(each)
        // PostgreSQL stores no NUL; what a node says must not keep others from their verdict.
        const raw = index === 3 ? { revertReason: 'a\u0000b' } : verdict.receipt.raw
        return settle(each, null, { receipt: { ...verdict.receipt, raw } })
      }),
    )
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    ])
  })

  it('give a slow business write fewer neighbours, in the end none', async () => {
    const sizes: number[] = []
    let inOne = new Set<unknown>()
    for (let round = 0; round < 4; round++) {
      inOne = new Set()
      const transactions = await recorded(6)
      await Promise.all(
        transactions.map((each) =>
          settle(each, async (trx) => {
            const { rows } = await trx.raw<{ rows: { id: string }[] }>(
              'SELECT pg_current_xact_id() AS id, pg_sleep(0.1)',
            )
            // Savepoints have ids of their own; the session's transaction is known by its start.
            const started = await trx.raw<{ rows: { at: string }[] }>('SELECT now()::text AS at')
            inOne.add(started.rows[0]?.at ?? rows[0]?.id)
          }),
        ),
      )
      sizes.push(inOne.size)
    }
    expect(sizes[0]).toBe(1)
    expect(sizes.at(-1)).toBe(6)
  })
})

describe('registrations that share a statement', () => {
  it('are each recorded, known or in conflict by their own content', async () => {
    const known = registrationOf({ payload: { a: 1 } })
    await store.record(known)
    const twice = registrationOf()
    const outcomes = await Promise.all(
      [
        registrationOf(),
        { ...known, payload: { a: 1 } },
        { ...known, payload: { a: 2 } },
        twice,
        twice,
        { ...twice, kind: 'other' },
        registrationOf({ payload: null }),
      ].map((each) => store.record(each)),
    )
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      ...['recorded', 'known', 'conflict', 'recorded', 'known', 'recorded', 'recorded'],
    ])
    expect(new Set(outcomes.slice(3, 6).map(({ transaction }) => transaction.id)).size).toBe(2)
  })

  it('are recorded without one that can not be stored', async () => {
    const payloads = ['fine', 'a\u0000b', 'fine too']
    const outcomes = await Promise.allSettled(
      payloads.map((payload) => store.record(registrationOf({ payload }))),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('show what a reader of the row is shown', async () => {
    const { transaction } = await store.record(
      registrationOf({ payload: { deep: [1, 'two', null] }, sender: `0x${'ab'.repeat(20)}`, nonce: 3 }),
    )
    expect(await store.load(transaction.id)).toEqual(transaction)
  })
})

describe('waits that share a statement', () => {
  const waitOf = (expectedRetryCount: number) => ({
    expectedRetryCount,
    retryCount: expectedRetryCount + 1,
    consecutiveErrors: 0,
    delayMs: 1_000,
    error: null,
    notes: { seen: null, evidence: null, absentChecks: null },
    look: aLook('waits'),
  })

  it('are each carried out if the row is still where they saw it', async () => {
    const [one, other, third] = await recorded(3)
    const outcomes = await Promise.all([
      store.recordWait(one?.id ?? '', waitOf(0)),
      store.recordWait(one?.id ?? '', waitOf(0)),
      store.recordWait(other?.id ?? '', waitOf(4)),
      store.recordWait(third?.id ?? '', {
        ...waitOf(0),
        notes: { seen: { sender: `0x${'cd'.repeat(20)}`, nonce: 8 }, evidence: [], absentChecks: null },
      }),
    ])
    // When the next check is due, which its message says.
    const isRecorded = { nextCheckAt: expect.any(Date) }
    expect(outcomes).toEqual([isRecorded, 'moved', 'moved', isRecorded])
    const rows = await database
      .db('confirmd.transaction_history')
      .whereIn(
        'id',
        [one, other, third].map((each) => each?.id ?? ''),
      )
      .orderBy('id')
      .select('retry_count', 'seen_nonce')
    expect(rows).toEqual([
      { retry_count: 1, seen_nonce: null },
      { retry_count: 0, seen_nonce: null },
      { retry_count: 1, seen_nonce: '8' },
    ])
  })

  it('leave what earlier looks noted where they note nothing', async () => {
    const [only] = await recorded(1)
    const id = only?.id ?? ''
    const seen = { sender: `0x${'cd'.repeat(20)}`, nonce: 8 }
    const evidence = [[{ node: 'n', headNumber: 1, nonce: 9, at: '2026-01-01T00:00:00.000Z' }]]
    await store.recordWait(id, { ...waitOf(0), notes: { seen, evidence, absentChecks: null } })
    await store.recordWait(id, waitOf(1))
    expect(await store.load(id)).toMatchObject({ retryCount: 2, seen, evidence })
    await store.recordWait(id, { ...waitOf(2), notes: { seen: null, evidence: [], absentChecks: null } })
    expect(await store.load(id)).toMatchObject({ retryCount: 3, seen, evidence: [] })
  })
})
