// Audit: D3 (cases A1, A2, A5), a business write that fails at COMMIT.
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import { describeOnEachQueue } from '../../support/broker.ts'
import { createFleet, type Fleet, registerAll } from '../../support/fleet-world.ts'
import { randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const FAILING_WRITES = [
  ['a deferred foreign key', "INSERT INTO tickets VALUES (gen_random_uuid(), 'nobody')", /constraint/i],
  ['a deferred unique key', 'INSERT INTO seats VALUES (1)', /constraint/i],
  [
    'a foreign key that the write defers',
    "SET CONSTRAINTS ALL DEFERRED; INSERT INTO passes VALUES ('nobody')",
    /constraint/i,
  ],
  ['a deferred trigger', 'INSERT INTO ledger VALUES (1)', /constraint|does not balance/i],
] as const

const BAD_DEFAULT = { kind: 'runs', payload: { sql: FAILING_WRITES[0][1] } }

async function createConstraints(fleet: Fleet): Promise<void> {
  await fleet.db.raw(`
    CREATE TABLE holders (name text PRIMARY KEY);
    CREATE TABLE tickets (
      id uuid, holder text REFERENCES holders DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE passes (holder text REFERENCES holders DEFERRABLE INITIALLY IMMEDIATE);
    CREATE TABLE seats (number integer UNIQUE DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO seats VALUES (1);
    CREATE TABLE ledger (amount integer);
    CREATE FUNCTION check_ledger() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the ledger does not balance'; END $$;
    CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON ledger
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger();
    CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the audit refuses this event'; END $$;
    CREATE TRIGGER refusing BEFORE INSERT ON confirmd.outbox
      FOR EACH ROW WHEN (NEW.kind = 'both') EXECUTE FUNCTION refuse_event()`)
}

describeOnEachQueue('a business write that is refused only at COMMIT', (kind) => {
  let fleet: Fleet
  let running: RoleProcess

  beforeAll(async () => {
    fleet = await createFleet(kind, { FOLLOW_BLOCKS: 'on' })
    await createConstraints(fleet)
    running = await fleet.start('start')
  })
  afterAll(() => fleet.close())

  /** In one block with three that are as they should be; another comes in a later block. */
  async function expectParkedAlone(bad: { kind: string; payload?: object }, reason: RegExp): Promise<void> {
    const txHash = randomHash()
    const [later, ...neighbours] = [randomHash(), randomHash(), randomHash(), randomHash()] as const
    await registerAll(running, [
      { txHash, ...bad },
      ...[later, ...neighbours].map((each) => ({ txHash: each, kind: 'order' })),
    ])
    fleet.chain.include([neighbours[0], txHash, ...neighbours.slice(1)])
    await fleet.untilParked(txHash, reason)
    for (const each of neighbours) await fleet.untilConfirmedOnce(each)
    const block = fleet.chain.include(later)
    await fleet.untilConfirmedOnce(later)
    await until('the follower has passed it', async () => (await fleet.followedBlock()) >= block)
  }

  it.concurrent.each(FAILING_WRITES)(
    'is counted and parked for %s, while the follower goes on',
    async (_name, sql, reason) => {
      await expectParkedAlone({ kind: 'runs', payload: { sql } }, reason)
    },
  )

  it.concurrent('but a write that has its deferred constraints checked early is confirmed', async () => {
    const txHash = randomHash()
    const sql = 'SET CONSTRAINTS ALL IMMEDIATE'
    await registerAll(running, [{ txHash, kind: 'runs', payload: { sql } }])
    fleet.chain.include(txHash)
    await fleet.untilConfirmedOnce(txHash)
  })

  it.concurrent('so is a verdict that the database refuses, whatever refuses it', async () => {
    await expectParkedAlone({ kind: 'both' }, /the audit refuses this event/)
  })
})

describeOnEachQueue('the same by the queue alone', (kind) => {
  it('is counted and parked', async () => {
    const fleet = await createFleet(kind)
    try {
      await createConstraints(fleet)
      const running = await fleet.start('start')
      const txHash = randomHash()
      fleet.chain.include(txHash)
      await registerAll(running, [{ txHash, ...BAD_DEFAULT }])
      await fleet.untilParked(txHash, /constraint/i)
    } finally {
      await fleet.close()
    }
  })
})

describe('the same by the sweep', () => {
  it('a stalled row is parked as stalled, and those beside it are settled', async () => {
    const fleet = await createFleet('table', { RETRY_LIMIT: '1' })
    try {
      await createConstraints(fleet)
      const running = await fleet.start('start')
      const bad = randomHash()
      const goods = Array.from({ length: 10 }, randomHash)
      await registerAll(running, [
        { txHash: bad, ...BAD_DEFAULT },
        ...goods.map((txHash) => ({ txHash, kind: 'order' })),
      ])
      for (const txHash of [bad, ...goods]) {
        await fleet.untilRow(txHash, 'it is stalled', ({ status }) => status === 'stalled')
      }
      fleet.chain.include([bad, ...goods])
      await fleet.untilParked(bad, /constraint/i, { status: 'stalled', events: ['stalled'] })
      for (const txHash of goods) {
        await fleet.untilConfirmedOnce(txHash, { events: ['stalled', 'confirmed'] })
      }
    } finally {
      await fleet.close()
    }
  })
})
