import { execFile } from 'node:child_process'
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { copyForAll } from '../../src/dev/copy-for-all.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/dev/embedded-postgres.ts'
import { isOpenToAll } from '../../src/dev/open-to-all.ts'
import { findPostgresBinaries, type PostgresBinaries, reachable } from '../../src/dev/postgres-binaries.ts'
import { choosePostgresUser } from '../../src/dev/postgres-user.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { openDatabase } from '../../src/store/database.ts'

const NOBODY = 65_534
const SETTINGS = ['fsync=off']

/** As root in /root: only root may enter the folder with the programs and the data. */
describe.runIf(process.getuid?.() === 0)('for root, in a folder that only root may enter', () => {
  let project: TemporaryFolder
  let place: TemporaryFolder
  let installed: PostgresBinaries
  let binaries: PostgresBinaries
  let running: EmbeddedPostgres | undefined

  beforeAll(async () => {
    project = await createTemporaryFolder()
    place = await createTemporaryFolder()
    await chmod(place.path, 0o755)
    const { postgres } = await findPostgresBinaries(false)
    const source = dirname(dirname(dirname(postgres)))
    const brought = join(project.path, 'brought')
    await cp(source, brought, { recursive: true, verbatimSymlinks: true })
    const bin = join(brought, 'native', 'bin')
    installed = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
    binaries = await reachable(installed, join(place.path, 'copies'))
  })
  afterEach(async () => {
    await running?.stop()
    running = undefined
  })
  afterAll(async () => {
    await project.remove()
    await place.remove()
  })

  const folder = (name: string) => join(project.path, name)

  async function start(name: string, given: PostgresBinaries = binaries): Promise<EmbeddedPostgres> {
    running = await startEmbeddedPostgres({ folder: folder(name), settings: SETTINGS, binaries: given })
    return running
  }

  async function stop(): Promise<void> {
    await running?.stop()
    running = undefined
  }

  async function query<T>(sql: string): Promise<readonly T[]> {
    const db = openDatabase({ url: running?.url ?? '', poolMax: 1, applicationName: 'test' })
    try {
      return (await db.raw<{ rows: T[] }>(sql)).rows
    } finally {
      await db.destroy()
    }
  }

  /** Whom the server runs as, and what. */
  async function serverOf(name: string): Promise<{ uid: number; program: string }> {
    const [pid] = (await readFile(join(folder(name), 'data', 'postmaster.pid'), 'utf8')).split('\n')
    const { stdout } = await promisify(execFile)('readlink', [`/proc/${pid}/exe`])
    return { uid: (await stat(`/proc/${pid}`)).uid, program: stdout.trim() }
  }

  it('PostgreSQL runs as nobody, from a copy of its programs, and keeps its data there between starts', async () => {
    expect((await stat(project.path)).mode & 0o777).toBe(0o700)
    await start('new')
    expect(await serverOf('new')).toEqual({ uid: NOBODY, program: binaries.postgres })
    expect(binaries.postgres).toContain(join(place.path, 'copies'))
    await query('CREATE TABLE kept AS SELECT 42 AS number')
    await running?.crash()
    await running?.restart()
    expect(await query('SELECT number FROM kept')).toEqual([{ number: 42 }])
    await stop()
    await start('new')
    expect(await query('SELECT number FROM kept')).toEqual([{ number: 42 }])
    expect((await stat(project.path)).mode & 0o777).toBe(0o700)
  })

  it('nobody else can read the data or the password, and none is left where all can read it', async () => {
    await start('private')
    const modes = async (name: string) => (await stat(join(folder('private'), name))).mode & 0o777
    expect([await modes('data'), await modes('password')]).toEqual([0o700, 0o600])
    expect((await readdir(folder('private'))).toSorted()).toEqual(['data', 'password'])
  })

  it('data that root copied are taken up, and those of a user stay the property of that user', async () => {
    await start('mine')
    await query('CREATE TABLE kept AS SELECT 7 AS number')
    await stop()
    await promisify(execFile)('cp', ['-r', folder('mine'), folder('copied')])
    expect((await stat(join(folder('copied'), 'data', 'PG_VERSION'))).uid).toBe(0)
    await start('copied')
    expect(await query('SELECT number FROM kept')).toEqual([{ number: 7 }])
    expect((await serverOf('copied')).uid).toBe(NOBODY)
    await stop()
    await promisify(execFile)('chown', ['-R', '12345:12345', folder('mine')])
    await start('mine')
    expect(await query('SELECT number FROM kept')).toEqual([{ number: 7 }])
    expect((await serverOf('mine')).uid).toBe(12_345)
    expect((await stat(join(folder('mine'), 'data', 'PG_VERSION'))).uid).toBe(12_345)
  })

  it('what an interrupted first start left is no database', async () => {
    const left = join(folder('interrupted'), 'unfinished-data')
    await mkdir(left, { recursive: true })
    await writeFile(join(left, 'PG_VERSION'), '18\n')
    await start('interrupted')
    expect(await query('SELECT 1 AS number')).toEqual([{ number: 1 }])
    expect((await readdir(folder('interrupted'))).toSorted()).toEqual(['data', 'password'])
  })

  describe('an error says what happened and what to do', () => {
    it.each([
      [
        'printed nothing',
        '/bin/false',
        /could not be initialised in .+: initdb ended with exit code 1:\n\(it printed/,
      ],
      ['is not there', '/nonexistent/initdb', /exit code 127:\nspawn \/nonexistent\/initdb ENOENT/],
    ])('where initdb %s', async (name, initdb, message) => {
      await expect(start(`initdb ${name}`, { ...binaries, initdb })).rejects.toThrow(message)
    })

    it('where the programs can’t be reached', async () => {
      await expect(start('unreachable', installed)).rejects.toThrow(
        /could not be initialised in \S+: .*\nspawn \S+initdb EACCES/,
      )
    })

    it('where they can’t be copied', async () => {
      const file = join(place.path, 'file')
      await writeFile(file, '')
      await expect(reachable(installed, file)).rejects.toThrow(
        /could not be copied to \S+file: EEXIST.*Run as a user other than root, or .* or set DATABASE_URL/,
      )
    })

    it('where others could replace the copy', async () => {
      const writable = join(place.path, 'writable')
      await mkdir(writable)
      await chmod(writable, 0o777)
      await expect(reachable(installed, writable)).rejects.toThrow('others may write to it: remove it')
      await chown(writable, NOBODY, NOBODY)
      await chmod(writable, 0o755)
      await expect(reachable(installed, writable)).rejects.toThrow('belongs to another user')
    })

    it('where the folder of the data holds something else', async () => {
      await mkdir(join(folder('other'), 'data'), { recursive: true })
      await writeFile(join(folder('other'), 'data', 'letter.txt'), '')
      await expect(start('other')).rejects.toThrow(
        /data holds files, but no database of PostgreSQL: move them/,
      )
    })

    it('where a user meets the data of another', async () => {
      const data = join(folder('strange'), 'data')
      await mkdir(data, { recursive: true })
      await chown(data, NOBODY, NOBODY)
      await expect(choosePostgresUser(data, 1000)).rejects.toThrow(
        `belong to user 65534, and this is user 1000: they were made by root. Run as before, or take them over: ` +
          `sudo chown -R 1000 ${folder('strange')}`,
      )
    })
  })

  describe('a copy of programs', () => {
    const names = (cache: string) => readdir(cache).then((found) => found.toSorted())
    const source = () => dirname(dirname(installed.postgres))

    it('is not made of what all can reach', async () => {
      const open = await reachable(binaries, join(place.path, 'not made'))
      expect(open).toEqual(binaries)
      expect(await names(place.path)).not.toContain('not made')
    })

    it('is one, however many begin at once', async () => {
      const cache = join(place.path, 'at once')
      const copies = await Promise.all([1, 2, 3].map(() => copyForAll(source(), cache, 'one')))
      expect(new Set(copies)).toEqual(new Set([join(cache, 'one')]))
      expect(await names(cache)).toEqual(['one'])
      expect(await isOpenToAll(join(cache, 'one'))).toBe(true)
    })

    it('stays while a process runs from it, and otherwise goes when there is another version', async () => {
      const cache = join(place.path, 'versions')
      const bin = join(await copyForAll(source(), cache, 'used'), 'bin')
      const own = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
      await start('runs from a copy', own)
      await copyForAll(source(), cache, 'newer')
      expect(await names(cache)).toEqual(['newer', 'used'])
      await stop()
      await copyForAll(source(), cache, 'newest')
      expect(await names(cache)).toEqual(['newest'])
    })

    it('that was interrupted goes after an hour', async () => {
      const cache = join(place.path, 'interrupted')
      for (const name of ['unfinished-old', 'unfinished-new'])
        await mkdir(join(cache, name), { recursive: true })
      const old = new Date(Date.now() - 3_700_000)
      await utimes(join(cache, 'unfinished-old'), old, old)
      await copyForAll(source(), cache, 'new')
      expect(await names(cache)).toEqual(['new', 'unfinished-new'])
      await rm(cache, { recursive: true })
    })
  })

  it('a folder counts as open only if all above it may be entered and all in it may be read', async () => {
    const open = join(place.path, 'open')
    await mkdir(join(open, 'inner'), { recursive: true })
    await writeFile(join(open, 'inner', 'file'), '', { mode: 0o644 })
    expect(await isOpenToAll(open)).toBe(true)
    await chmod(join(open, 'inner', 'file'), 0o640)
    expect(await isOpenToAll(open)).toBe(false)
    await chmod(join(open, 'inner', 'file'), 0o644)
    await chmod(join(open, 'inner'), 0o744)
    expect(await isOpenToAll(open)).toBe(false)
    await chmod(join(open, 'inner'), 0o755)
    await chmod(place.path, 0o700)
    expect(await isOpenToAll(open)).toBe(false)
    await chmod(place.path, 0o755)
  })
})
