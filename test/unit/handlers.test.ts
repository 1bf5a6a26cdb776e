import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defineHandler, sqlHandler } from '../../src/handlers.ts'
import { loadHandlers } from '../../src/load-handlers.ts'

const confirmed = async () => undefined

describe('defineHandler', () => {
  it('gives back a handler that has something to do', () => {
    const handler = { kind: 'mint', confirmed }
    expect(defineHandler(handler)).toBe(handler)
  })

  it.each([
    [{ kind: '', confirmed }, 'needs a kind'],
    [{ kind: 'mint' }, 'neither confirmed nor failed'],
    [{ kind: 'mint', confirmed: 'yes' as unknown as typeof confirmed }, 'confirmed is not a function'],
  ])('refuses what could never work: %j', (handler, reason) => {
    expect(() => defineHandler(handler)).toThrow(reason)
  })
})

describe('sqlHandler', () => {
  it.each(['on_mint', 'app.on_mint', 'App._f2'])('takes the function name %s', (fn) => {
    expect(sqlHandler({ kind: 'mint', fn }).kind).toBe('mint')
  })

  it.each(['', 'f()', 'a.b.c', "f'; DROP TABLE x; --", 'f f', '1f', 'app."f"'])(
    'takes nothing that is not a plain name, such as %s',
    (fn) => {
      expect(() => sqlHandler({ kind: 'mint', fn })).toThrow('is not the name of a function')
    },
  )
})

describe('the module that HANDLERS names', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'confirmd-handlers-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function load(source: string) {
    const file = join(folder, `${Math.random()}.mjs`)
    await writeFile(file, source)
    return loadHandlers(file)
  }

  it('is optional', async () => {
    expect((await loadHandlers(null)).size).toBe(0)
  })

  it('gives its handlers by kind', async () => {
    const handlers = await load('export default [{ kind: "a", confirmed() {} }, { kind: "b", failed() {} }]')
    expect([...handlers.keys()]).toEqual(['a', 'b'])
  })

  it.each([
    ['export default {}', 'not a list'],
    ['export const x = 1', 'not a list'],
    ['export default [{ kind: "a" }]', 'neither confirmed nor failed'],
    [
      'export default [{ kind: "a", confirmed() {} }, { kind: "a", failed() {} }]',
      "two handlers of kind 'a'",
    ],
    ['throw new Error("boom")', 'boom'],
  ])('stops the start if it is wrong: %s', async (source, reason) => {
    await expect(load(source)).rejects.toThrow(reason)
  })

  it('stops the start if it is not there', async () => {
    await expect(loadHandlers('./no-such-module.mjs')).rejects.toThrow("./no-such-module.mjs can't be loaded")
  })
})
