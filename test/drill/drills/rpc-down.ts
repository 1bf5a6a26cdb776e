import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Condition, Drill } from '../drill.ts'
import { openScene } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const TRANSACTIONS = 1_000
const DOWN_MS = 180_000
const LEAST_DOWN_MS = 10_000
/** With waits this short, the time down is hundreds of times the retry limit. */
const SETTINGS = {
  RETRY_DELAYS_MS: '50,100',
  RETRY_LIMIT: '3',
  RPC_TIMEOUT_MS: '200',
  SWEEP_GRACE_MS: '10000',
}

/** An outage of the node says nothing about any transaction, however long it lasts. */
export const rpcDown: Drill = {
  number: 6,
  title: 'RPC down for many times the retry limit',
  run: async (context) => {
    const { ledger, scaled, say } = context
    const { parts, registrar } = await openScene(context, { settings: SETTINGS, workers: 2 })
    const entries = ledger.make(scaled(TRANSACTIONS, 50), { absent: 0, maxDelayMs: 1 })
    parts.node.faults = { error: 1 }
    await registrar.register(entries)
    const downMs = scaled(DOWN_MS, LEAST_DOWN_MS)
    await sleep(downMs / 2)
    parts.node.faults = { error: 0.5, hang: 0.1, tooManyRequests: 0.4 }
    await sleep(downMs / 2)
    const condition = await nothingDecided(parts.db, entries.length)
    say(`down for ${downMs} ms, ${parts.node.requests()} requests failed`)
    parts.node.faults = {}
    return settleAndJudge(context, parts, { conditions: [condition] })
  },
}

async function nothingDecided(db: Knex, expected: number): Promise<Condition> {
  const { rows } = await db.raw<{ rows: { untouched: string; events: string; looks: number }[] }>(`
    SELECT count(*) FILTER (WHERE status = 'pending' AND retry_count = 0 AND parked_at IS NULL) AS untouched,
           (SELECT count(*) FROM confirmd.outbox) AS events,
           min(consecutive_errors) AS looks
      FROM confirmd.transaction_history`)
  const { untouched, events, looks } = rows[0] ?? { untouched: '0', events: '0', looks: 0 }
  return {
    text: `while it was down all ${expected} stayed pending with no attempt spent (at least ${looks} looks failed each)`,
    passed: Number(untouched) === expected && Number(events) === 0 && looks > 3,
  }
}
