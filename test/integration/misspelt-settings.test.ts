import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startRole } from '../../src/dev/role-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { runCommand, startCommand } from '../support/command.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const MISSPELT = { DATABSE_URL: 'postgres://u:secret@127.0.0.1/d', RETRY_LIMT: '3' }
const NOTICED = [
  'DATABSE_URL is not a setting; is DATABASE_URL meant?',
  'RETRY_LIMT is not a setting; is RETRY_LIMIT meant?',
]

let database: TestDatabase
let folder: TemporaryFolder
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder()
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

it.each(['start', 'api', 'worker', 'migrate', 'status', 'prune --older-than 90d', 'doctor'])(
  '%s refuses misspelt settings, all at once, and repeats no value',
  async (command) => {
    const { code, stdout, stderr } = await runCommand(command.split(' '), MISSPELT)
    for (const text of NOTICED) expect(stdout + stderr).toContain(text)
    expect(stdout + stderr).not.toContain('secret')
    expect(code).toBe(78)
  },
)

it('the embedded database of a start beside it does not stand in for a misspelt one', async () => {
  await mkdir(join(folder.path, '.confirmd'))
  await writeFile(join(folder.path, '.confirmd', 'urls.env'), `DATABASE_URL=${database.url}\n`)
  const status = (environment: Record<string, string>) =>
    startCommand(['status'], { environment, workingDirectory: folder.path }).ended
  expect(await status({})).toMatchObject({ code: 0, stderr: '' })
  const { code, stderr } = await status(MISSPELT)
  expect(code).toBe(78)
  expect(stderr).toContain(NOTICED[0])
})

it('what may be a misspelt HOST or PORT is told by the log and by doctor, and refuses nothing', async () => {
  const environment = { DATABASE_URL: database.url, HOSTS: 'a,b' }
  const api = await startRole('api', environment)
  const warnings = api.log.filter(({ variable }) => variable === 'HOSTS')
  expect(await api.stop()).toBe(0)
  expect(warnings).toMatchObject([
    { level: 40, likely: ['HOST'], msg: expect.stringContaining('is HOST meant?') },
  ])
  const { stdout } = await runCommand(['doctor'], environment)
  expect(stdout).toContain('HOSTS is not a setting; rename it if HOST is meant')
})
