import type { Knex } from 'knex'
import { statementsOf } from '../../bench/plans.ts'

interface PlanNode {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly PlanNode[]
}

/** What some work read of tables. */
interface Read {
  readonly rows: number
  /** Of tables and indexes, of 8 KiB. */
  readonly pages: number
}

export async function rowsReadBy(db: Knex, work: () => Promise<unknown>): Promise<number> {
  return (await readBy(db, work)).rows
}

export async function pagesReadBy(db: Knex, work: () => Promise<unknown>): Promise<number> {
  return (await readBy(db, work)).pages
}

/** How many rows of tables the statements of some work read, by EXPLAIN ANALYZE of each once more, rolled back. */
async function readBy(db: Knex, work: () => Promise<unknown>): Promise<Read> {
  const statements = await statementsOf(db, work)
  const connection: { query(config: object): Promise<{ rows: { 'QUERY PLAN': { Plan: PlanNode }[] }[] }> } =
    await db.client.acquireConnection()
  try {
    const read = { rows: 0, pages: 0 }
    for (const { sql, bindings } of statements) {
      await connection.query({ text: 'BEGIN' })
      const { rows } = await connection.query({
        text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`,
        values: bindings,
      })
      await connection.query({ text: 'ROLLBACK' })
      const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
      if (!plan) throw new Error(`EXPLAIN gave no plan of ${sql}`)
      read.rows += rowsRead(plan)
      read.pages += plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
    }
    return read
  } finally {
    await db.client.releaseConnection(connection)
  }
}

function rowsRead(node: PlanNode): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  const own = node['Relation Name'] ? (node['Actual Rows'] + removed) * node['Actual Loops'] : 0
  return (node.Plans ?? []).reduce((sum, each) => sum + rowsRead(each), own)
}
