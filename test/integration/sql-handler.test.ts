import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createWorld, register, untilRow, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'

let world: World
let folder: TemporaryFolder

beforeAll(async () => {
  folder = await createTemporaryFolder()
  const handlers = join(folder.path, 'handlers.mjs')
  const source = new URL('../../src/handlers.ts', import.meta.url).href
  await writeFile(
    handlers,
    `import { sqlHandler } from '${source}'
     export default [
       sqlHandler({ kind: 'mint', fn: 'app.on_nft_mint', failedFn: 'app.on_failure' }),
       sqlHandler({ kind: 'lost', fn: 'app.no_such_function' }),
     ]`,
  )
  world = await createWorld('table', { HANDLERS: handlers })
  await world.db.raw(`
    CREATE SCHEMA app;
    CREATE TABLE app.mints (token text, block bigint);
    CREATE TABLE app.failures (hash text, reason text);
    CREATE FUNCTION app.on_nft_mint(transaction jsonb) RETURNS void LANGUAGE sql AS $$
      INSERT INTO app.mints VALUES (transaction->'payload'->>'token', (transaction->'receipt'->>'blockNumber')::bigint)
    $$;
    CREATE FUNCTION app.on_failure(transaction jsonb) RETURNS void LANGUAGE sql AS $$
      INSERT INTO app.failures VALUES (transaction->>'txHash', transaction->'failure'->>'name')
    $$;`)
})
afterAll(async () => {
  await world.close()
  await folder.remove()
})

it('a PostgreSQL function is the business write, given the transaction as the API shows it', async () => {
  const { url } = await world.start()
  const [minted, reverted, lost] = [randomHash(), randomHash(), randomHash()]
  world.node.include(minted)
  world.node.include(reverted, { succeeded: false, txError: '0x9' })
  world.node.include(lost)
  await register(url, { txHash: minted, kind: 'mint', payload: { token: "O'Neil" } })
  await register(url, { txHash: reverted, kind: 'mint', payload: { token: 'no' } })
  await register(url, { txHash: lost, kind: 'lost' })
  await untilStatus(world.db, minted, 'confirmed')
  await untilStatus(world.db, reverted, 'failed')
  expect(await world.db('app.mints')).toEqual([{ token: "O'Neil", block: '101' }])
  expect(await world.db('app.failures')).toEqual([{ hash: reverted, reason: 'execution reverted' }])
  const row = await untilRow(world.db, lost, 'tried', (each) => Number(each['handler_attempts']) > 0)
  expect(row['last_error']).toContain('app.no_such_function')
})
