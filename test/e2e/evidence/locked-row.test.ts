// Audit: D11 (case F1), one locked row holds up to 199 unrelated ones.
import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../../support/broker.ts'
import { createFleet, type Fleet, post } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const COUNT = 150

interface Lock {
  readonly name: string
  take(trx: Knex.Transaction, id: string): Promise<unknown>
  /** It forbids no change that a verdict makes. */
  readonly isHarmless: boolean
}

const LOCKS: readonly Lock[] = [
  {
    name: 'updates',
    take: (trx, id) => trx('confirmd.transaction_history').where({ id }).update({ correlation_id: 'seen' }),
    isHarmless: false,
  },
  {
    name: 'refers from a table of its own to',
    take: (trx, id) => trx('shipments').insert({ transaction_id: id }),
    isHarmless: true,
  },
]

describeOnEachQueue('while a backend', (kind) => {
  let fleet: Fleet
  let api: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on' })
    await fleet.db.raw('CREATE TABLE shipments (transaction_id uuid REFERENCES confirmd.transaction_history)')
    api = await fleet.start('api')
    await fleet.start('worker')
  })
  afterAll(() => fleet.close())

  async function registerMany(): Promise<string[]> {
    const hashes = Array.from({ length: COUNT }, randomHash)
    const transactions = hashes.map((txHash) => ({ txHash, kind: 'order' }))
    expect((await post(`${api.url}/v1/transactions/batch`, { transactions })).status).toBe(200)
    return hashes
  }

  async function checksOf(hashes: readonly string[]): Promise<number[]> {
    const rows = await fleet
      .db('confirmd.transaction_history')
      .whereIn('tx_hash', hashes)
      .select('retry_count')
    return rows.map(({ retry_count: count }) => Number(count))
  }

  async function confirmedOf(hashes: readonly string[]): Promise<number> {
    const ours = fleet.db('confirmd.transaction_history').whereIn('tx_hash', hashes)
    return (await ours.where({ status: 'confirmed' }).select('id')).length
  }

  async function expectOthersGoOn({ take, isHarmless }: Lock, lockedCount: number): Promise<void> {
    const hashes = await registerMany()
    // In the middle of the batches that they come to be in.
    const locked = hashes.slice(COUNT / 2, COUNT / 2 + lockedCount)
    const others = hashes.filter((txHash) => !locked.includes(txHash))
    await until('all have been checked', async () => Math.min(...(await checksOf(hashes))) > 0)
    const holder = await fleet.db.transaction()
    try {
      for (const txHash of locked) await take(holder, String((await fleet.row(txHash))?.['id']))
      const before = Math.max(...(await checksOf(hashes)))
      const haveGoneOn = async () => Math.min(...(await checksOf(others))) >= before + 3
      await until('the others have been checked three times more', haveGoneOn, 15_000)
      fleet.chain.include(hashes)
      const settled = isHarmless ? hashes : others
      const areSettled = async () => (await confirmedOf(settled)) === settled.length
      await until('the others are confirmed', areSettled, 15_000)
    } finally {
      await holder.commit()
    }
    for (const txHash of [...locked, ...others.slice(0, 10)]) await fleet.untilConfirmedOnce(txHash)
  }

  for (const lock of LOCKS) {
    it.each([1, 6])(`${lock.name} %i row(s), checks and verdicts of the others go on`, (count) =>
      expectOthersGoOn(lock, count),
    )
  }
})
