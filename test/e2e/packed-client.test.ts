import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createWorld, type World } from '../support/confirmd.ts'
import { randomHash } from '../support/scripted-node.ts'

const run = promisify(execFile)
const { overrides } = JSON.parse(readFileSync('package.json', 'utf8')) as { overrides: object }

let folder: TemporaryFolder
let world: World

beforeAll(async () => {
  folder = await createTemporaryFolder()
  world = await createWorld('table', { RETRY_LIMIT: '1000' })
  const { stdout } = await run('npm', [
    'pack',
    '--ignore-scripts',
    '--json',
    '--pack-destination',
    folder.path,
  ])
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  await write('package.json', JSON.stringify({ name: 'shop', type: 'module', private: true, overrides }))
  await run('npm', ['install', '--no-audit', '--no-fund', join(folder.path, filename)], { cwd: folder.path })
}, 180_000)
afterAll(async () => {
  await world.close()
  await folder.remove()
})

function write(name: string, content: string): Promise<void> {
  return writeFile(join(folder.path, name), content)
}

it('the packed package installs, and a backend tracks, waits and reads events with its client', async () => {
  const { url } = await world.start()
  const txHash = randomHash()
  world.node.include(txHash)
  await write(
    'shop.js',
    `import { createClient } from 'confirmd/client'
     const client = createClient({ url: process.argv[2] })
     const { id } = await client.track({ txHash: process.argv[3], kind: 'order' })
     const { status } = await client.waitFor(id)
     for await (const event of client.events({ after: '0' })) {
       console.log(JSON.stringify({ id, status, event }))
       break
     }`,
  )
  const { stdout } = await run(process.execPath, ['shop.js', url, txHash], { cwd: folder.path })
  const said = JSON.parse(stdout)
  expect(said).toMatchObject({ status: 'confirmed', event: { subject: txHash, data: { id: said.id } } })
})

it('its types hold without the libraries that confirmd itself is built with', async () => {
  await write(
    'shop.ts',
    `import { createClient, verifyWebhook, type TransactionView } from 'confirmd/client'
     type IsAny<T> = 0 extends 1 & T ? true : false
     const known: IsAny<TransactionView['status']> = false
     const client = createClient({ url: 'http://127.0.0.1:8080' })
     const transaction = await client.track({ txHash: '0x', payload: { a: 1 } })
     const name: string | undefined = transaction.failure?.name
     // @ts-expect-error: there is no such status
     if (transaction.status === 'lost') process.exit()
     for await (const { data } of client.events()) if (data.status === 'failed') break
     export { known, name, verifyWebhook }`,
  )
  const compilerOptions = {
    ...{ target: 'es2023', module: 'nodenext', lib: ['es2023', 'dom'], types: [], strict: true },
    ...{ skipLibCheck: false, noEmit: true },
  }
  await write('globals.d.ts', 'declare const process: { exit(): never }')
  await write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['shop.ts', 'globals.d.ts'] }))
  const tsc = resolve('node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, '-p', folder.path]).catch((error: { stdout: string }) => {
    throw new Error(error.stdout)
  })
})

it('it imports nothing, so that it runs wherever there is fetch', async () => {
  const installed = join(folder.path, 'node_modules/confirmd/dist')
  const files = (await readdir(join(installed, 'client'))).filter((name) => name.endsWith('.js'))
  expect(files.length).toBeGreaterThan(2)
  for (const file of ['client.js', ...files.map((name) => join('client', name))]) {
    const text = await readFile(join(installed, file), 'utf8')
    const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
    for (const name of imported) expect(name).toMatch(/^\.\/(client\/)?[a-z-]+\.js$/)
    expect(text).not.toMatch(/\b(process|Buffer|require|setImmediate)\b/)
  }
})
