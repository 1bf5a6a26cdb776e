import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'

const HANDLERS = fileURLToPath(new URL('../support/handlers/session-limits.js', import.meta.url))
const TIMEOUT_MS = 300_000

describe('the session of a business write', () => {
  let world: World
  beforeAll(async () => {
    world = await createWorld('table', { HANDLERS, HANDLER_TIMEOUT_MS: String(TIMEOUT_MS) })
    await world.db.raw('CREATE TABLE session_limits (tx_hash text, name text, ms bigint)')
  })
  afterAll(() => world.close())

  it('allows what HANDLER_TIMEOUT_MS does, for a statement and between two, also after another write', async () => {
    const { url } = await world.start()
    const hashes = Array.from({ length: 20 }, randomHash)
    for (const txHash of hashes) world.node.include(txHash)
    await Promise.all(hashes.map((txHash) => register(url, { txHash, kind: 'limits' })))
    for (const txHash of hashes) await untilStatus(world.db, txHash, 'confirmed')
    const found: { tx_hash: string; name: string; ms: string }[] = await world.db('session_limits')
    expect(found).toHaveLength(2 * hashes.length)
    expect(Math.min(...found.map(({ ms }) => Number(ms)))).toBeGreaterThan(TIMEOUT_MS)
    // Whoever uses the session next has the usual limits.
    const { rows } = await world.db.raw<{ rows: { statement_timeout: string }[] }>('SHOW statement_timeout')
    expect(rows).toEqual([{ statement_timeout: '30s' }])
  })
})
