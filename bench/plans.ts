import type { Knex } from 'knex'

export interface Statement {
  readonly sql: string
  readonly bindings: readonly unknown[]
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

const BEGINS = /^\s*(with|select|insert|update|delete)\b/i

/** Collects what runs on this connection pool while `work` does; each statement once. */
export async function statementsOf(db: Knex, work: () => Promise<unknown>): Promise<Statement[]> {
  const found = new Map<string, Statement>()
  const onQuery = ({ sql, bindings }: Statement) => {
    if (BEGINS.test(sql) && !found.has(sql)) found.set(sql, { sql, bindings })
  }
  db.on('query', onQuery)
  try {
    await work()
  } finally {
    db.off('query', onQuery)
  }
  return [...found.values()]
}

/**
 * The statements that read a whole table, by what EXPLAIN says of the plan for these parameters, and of the one
 * that a prepared statement has after some runs.
 */
export async function findSequentialScans(db: Knex, statements: readonly Statement[]): Promise<string[]> {
  const scanning: string[] = []
  for (const { sql, bindings } of statements) {
    const custom = await explain(db, `EXPLAIN (FORMAT JSON) ${sql}`, bindings)
    const generic = await explain(db, `EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${sql}`, [])
    if ([custom, generic].some(scans)) scanning.push(sql)
  }
  return scanning
}

/** Past knex, which would take the `$1` of a statement for its own. */
async function explain(db: Knex, text: string, values: readonly unknown[]): Promise<PlanNode> {
  const connection: { query(config: object): Promise<{ rows: { 'QUERY PLAN': { Plan: PlanNode }[] }[] }> } =
    await db.client.acquireConnection()
  try {
    const { rows } = await connection.query({ text, values })
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
    if (!plan) throw new Error(`EXPLAIN gave no plan of ${text}`)
    return plan
  } finally {
    await db.client.releaseConnection(connection)
  }
}

function scans(node: PlanNode): boolean {
  const isWhole = node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== undefined
  return isWhole || (node.Plans ?? []).some(scans)
}
