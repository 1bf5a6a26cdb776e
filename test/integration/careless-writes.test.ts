import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { aLook } from '../../src/dev/sample-look.ts'
import type { WriteFailedError } from '../../src/domain/handler.ts'
import type { Receipt } from '../../src/domain/receipt.ts'
import type { Transaction } from '../../src/domain/transaction.ts'
import type { BusinessWrite } from '../../src/store/settle.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createOrderTables } from '../support/orders.ts'
import { randomHash } from '../support/scripted-node.ts'

let database: TestDatabase
let store: Store

beforeAll(async () => {
  database = await createTestDatabase()
  await createOrderTables(database.db)
  await database.db.raw('CREATE TABLE shipped (number integer PRIMARY KEY)')
  await database.db.raw('INSERT INTO shipped VALUES (42)')
  await database.db.raw(`
    CREATE TABLE lines (number integer REFERENCES shipped DEFERRABLE INITIALLY DEFERRED)`)
})
beforeEach(() => {
  store = createStore(database.db, { chain: 'kaia' })
})
afterAll(() => database.drop())

async function recorded(): Promise<Transaction> {
  const given = { chain: 'kaia', txHash: randomHash(), kind: 'order', payload: null }
  const nothing = { sender: null, nonce: null, correlationId: null, traceParent: null }
  return (await store.record({ ...given, ...nothing })).transaction
}

function settle(transaction: Transaction, businessWrite: BusinessWrite) {
  const { txHash } = transaction
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
  const verdict = { status: 'confirmed' as const, receipt, failure: null, look: aLook('confirmed') }
  return store.settle(
    { transaction, ...verdict, businessWrite, writeState: 'done', onlyIfNoneHandled: false },
    { isAlone: false },
  )
}

const writeOrder: BusinessWrite = async (trx, { id, txHash, status }) => {
  await trx('orders').insert({ transaction_id: id, tx_hash: txHash, status })
}

async function stateOf({ id }: Transaction) {
  const { status } = await database.db('confirmd.transaction_history').where({ id }).first('status')
  const orders = await database.db('orders').where({ transaction_id: id })
  const events = await database.db('confirmd.outbox').where({ transaction_id: id })
  return { status, orders: orders.length, events: events.length }
}

const CONFIRMED = { status: 'confirmed', orders: 1, events: 1 }
const UNTOUCHED = { status: 'pending', orders: 0, events: 0 }

/** What the write does, and how its failure is called. */
const CARELESS: Record<string, [expected: RegExp, BusinessWrite]> = {
  'swallows a unique violation': [
    /aborted transaction/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx('shipped')
        .insert({ number: 42 })
        .catch(() => undefined)
    },
  ],
  'breaks a deferred constraint': [
    /constraint/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx('lines').insert({ number: 43 })
    },
  ],
  'runs COMMIT': [
    /refused COMMIT/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx.raw('COMMIT')
    },
  ],
  'runs COMMIT and swallows its refusal': [
    /ended transaction/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx.raw('COMMIT').catch(() => undefined)
    },
  ],
  'runs a script of its own with BEGIN and COMMIT': [
    /refused COMMIT/,
    async (trx, { id, txHash, status }) => {
      await trx.raw(`BEGIN; INSERT INTO orders VALUES ('${id}', '${txHash}', '${status}'); COMMIT; SELECT 1`)
    },
  ],
  'runs ROLLBACK': [
    /ended transaction/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx.raw('ROLLBACK')
    },
  ],
  'runs ROLLBACK and goes on writing': [
    /ended transaction/,
    async (trx, settled) => {
      await trx.raw('ROLLBACK')
      await writeOrder(trx, settled)
    },
  ],
  'runs ROLLBACK, begins another transaction and imitates the savepoint': [
    /ended transaction/,
    async (trx, settled) => {
      await trx.raw('ROLLBACK; BEGIN READ WRITE; SAVEPOINT trx1; SAVEPOINT business_write')
      await writeOrder(trx, settled)
    },
  ],
  'leaves a failing statement behind': [
    /aborted transaction/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      trx.raw('SELECT 1/0').catch(() => undefined)
    },
  ],
  'leaves a failing statement behind for later': [
    /aborted transaction/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      setImmediate(() => void trx.raw('SELECT pg_sleep(0.05), 1/0').catch(() => undefined))
      await trx.raw('SELECT pg_sleep(0.01)')
    },
  ],
  'calls trx.commit': [
    /ended transaction/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx.commit()
    },
  ],
  'ends its own session': [
    /session lost/,
    async (trx, settled) => {
      await writeOrder(trx, settled)
      await trx.raw('SELECT pg_terminate_backend(pg_backend_pid())')
    },
  ],
  'throws 5 MB with NULs': [
    /\(it threw\): x\ufffdx/,
    () => Promise.reject(new Error('x\u0000'.repeat(2_500_000))),
  ],
}

describe.each(Object.entries(CARELESS))('a business write that %s', (_, [expected, careless]) => {
  it('fails with a reason that names it, alone and beside others, and harms no neighbour', async () => {
    const neighbours = await Promise.all(Array.from({ length: 5 }, recorded))
    const bad = await recorded()
    const outcomes = await Promise.allSettled(
      neighbours.toSpliced(3, 0, bad).map((each) => settle(each, each === bad ? careless : writeOrder)),
    )
    // Those that share its fate are tried alone, as the flow does.
    const again = neighbours.filter(
      (_, index) => outcomes[index < 3 ? index : index + 1]?.status === 'rejected',
    )
    await Promise.all(again.map((each) => settle(each, writeOrder)))
    for (const each of neighbours) expect(await stateOf(each)).toEqual(CONFIRMED)
    const failure = await settle(bad, careless).then(
      () => null,
      (error: WriteFailedError) => error,
    )
    expect(failure?.name).toBe('WriteFailedError')
    expect(failure?.message).toMatch(expected)
    expect(failure?.message.length).toBeLessThanOrEqual(500)
    expect(await stateOf(bad)).toEqual(UNTOUCHED)
    expect(outcomes[3]?.status).toBe('rejected')
  })
})

describe('what a business write changes of its session', () => {
  const seen = `SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout,
    current_setting('my.setting', true) AS mine, current_user AS who, to_regclass('pg_temp.mine')::text AS temporary,
    (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
    (SELECT count(*)::int FROM pg_cursors WHERE is_holdable AND name <> 'confirmd_guard') AS cursors`

  const change: BusinessWrite = async (trx, settled) => {
    await writeOrder(trx, settled)
    await trx.raw(`SET search_path TO pg_catalog; SET statement_timeout TO 1234; SET my.setting TO 'changed';
      CREATE TEMPORARY TABLE mine (a integer); SELECT pg_advisory_lock(7);
      DECLARE held CURSOR WITH HOLD FOR SELECT 1; SET TRANSACTION READ ONLY`)
  }

  it('is not seen by the next one, nor by anybody who uses the session later', async () => {
    const [first, second, third] = [await recorded(), await recorded(), await recorded()]
    const found: unknown[] = []
    const look: BusinessWrite = async (trx, settled) => {
      await writeOrder(trx, settled)
      found.push((await trx.raw<{ rows: unknown[] }>(seen)).rows[0])
    }
    await settle(first, look)
    await Promise.all([settle(second, change), settle(third, look)])
    for (const each of [first, second, third]) expect(await stateOf(each)).toEqual(CONFIRMED)
    const sessions = await Promise.all(
      Array.from({ length: 10 }, () => database.db.raw<{ rows: unknown[] }>(`${seen}, pg_sleep(0.05)`)),
    )
    const clean = expect.objectContaining({
      mine: expect.toBeOneOf([null, '']),
      temporary: null,
      locks: 0,
      cursors: 0,
    })
    expect(found).toEqual([clean, clean])
    for (const { rows } of sessions) expect(rows[0]).toEqual(clean)
    const readOnly = await Promise.all(
      Array.from({ length: 10 }, () =>
        database.db.raw<{ rows: { is: string }[] }>(
          "SELECT current_setting('default_transaction_read_only') AS is, pg_sleep(0.05)",
        ),
      ),
    )
    expect(new Set(readOnly.map(({ rows }) => rows[0]?.is))).toEqual(new Set(['off']))
    const paths = new Set(
      [...found, ...sessions.map(({ rows }) => rows[0])].map((each) => JSON.stringify(pathOf(each))),
    )
    expect([...paths]).toHaveLength(1)
    expect([...paths][0]).not.toContain('pg_catalog')
  })
})

function pathOf(row: unknown): unknown {
  const { path, timeout, who } = row as Record<string, unknown>
  return [path, timeout, who]
}
