import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CheckHandler, CheckQueue, Disposition } from '../../src/domain/check-queue.ts'
import { checkOf } from '../../src/domain/message.ts'
import type { Transaction } from '../../src/domain/transaction.ts'
import { createTableQueue } from '../../src/store/table-queue.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { recordTransaction } from '../support/record-transaction.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let opened: CheckQueue[]
let letGo: () => void = () => undefined

beforeEach(async () => {
  database = await createTestDatabase()
  opened = []
})

afterEach(async () => {
  letGo()
  for (const queue of opened) await queue.stopConsuming()
  await database.drop()
})

function open({ pollIntervalMs, leaseMs }: { pollIntervalMs: number; leaseMs: number }): CheckQueue {
  const queue = createTableQueue(database.db, {
    chain: 'kaia',
    prefetch: 5,
    pollIntervalMs,
    leaseMs,
    onError: (error) => {
      throw error
    },
  })
  opened.push(queue)
  return queue
}

const record = () => recordTransaction(database.db)

const untouched = (transaction: Transaction, delayMs: number): Disposition => ({
  kind: 'wait',
  delayMs,
  check: checkOf(transaction),
  isRowUntouched: true,
})

it('hands a check that one worker leaves to another one, though both look for checks in step', async () => {
  const transaction = await record()
  let leftCount = 0
  let isTaken = false
  const leaving: CheckHandler = async () => {
    leftCount += 1
    return untouched(transaction, 400)
  }
  const taking: CheckHandler = async () => {
    isTaken = true
    await database
      .db('confirmd.transaction_history')
      .where({ id: transaction.id })
      .update({ status: 'confirmed' })
    return { kind: 'ack' }
  }
  await open({ pollIntervalMs: 500, leaseMs: 60_000 }).consume(leaving)
  await until('the first one has left it', () => leftCount > 0)
  // It is due again after the second one looked, and before the first one does.
  await sleep(200)
  await open({ pollIntervalMs: 500, leaseMs: 60_000 }).consume(taking)
  await until('the second one has it', () => isTaken, 20_000)
})

it('does not renew the lease of a check that was left, so that it comes back when it was to', async () => {
  const [left, inHand] = [await record(), await record()]
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const isLeased = new Set<string>()
  const leave = new AbortController()
  await open({ pollIntervalMs: 50, leaseMs: 1_500 }).consume(async ({ message }) => {
    const id = message.kind === 'check' ? message.check.id : ''
    isLeased.add(id)
    if (id === inHand.id) await held
    else await new Promise((resolve) => leave.signal.addEventListener('abort', resolve))
    return id === inHand.id ? untouched(inHand, 600_000) : untouched(left, 600_000)
  })
  await until('both are in hand', () => isLeased.size === 2)

  const waiting = async (statement: string): Promise<boolean> => {
    const { rows } = await database.db.raw<{ rows: unknown[] }>(
      `SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE :statement`,
      { statement },
    )
    return rows.length > 0
  }
  await database.db.transaction(async (trx) => {
    await trx('confirmd.transaction_history').where({ id: left.id }).forUpdate().first()
    leave.abort()
    await until('its lease is about to end', () => waiting('%lease_count = 0%'))
    await until('a renewal comes after that', () => waiting('%id = ANY%leased_until IS NOT NULL%'))
  })
  await until('both are through', async () => !(await waiting('%leased_until%')))
  const row = await database
    .db('confirmd.transaction_history')
    .where({ id: left.id })
    .first(
      database.db.raw(
        `extract(epoch FROM greatest(next_check_at, leased_until) - now())::float8 AS due_in_s`,
      ),
    )
  expect(row.due_in_s).toBeGreaterThan(300)
})
