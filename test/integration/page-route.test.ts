import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pino from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { createApp, type TypedApp } from '../../src/http/app.ts'
import { addPage } from '../../src/http/page-route.ts'

let folder: TemporaryFolder
let app: TypedApp
let missing: string[]

beforeEach(async () => {
  folder = await createTemporaryFolder()
  app = await createApp(pino({ level: 'silent' }))
  missing = []
})
afterEach(async () => {
  await app.close()
  await folder.remove()
})

async function build(): Promise<void> {
  await mkdir(join(folder.path, 'assets'))
  await writeFile(join(folder.path, 'index.html'), '<!doctype html><title>the page</title>')
  await writeFile(join(folder.path, 'assets', 'index-1a2b.js'), 'export {}')
}

async function addPageOf(path: string): Promise<void> {
  await app.register((scope) => addPage(scope, { folder: path, onMissing: (reason) => missing.push(reason) }))
}

it('a build without the page says so, and everything else works', async () => {
  await addPageOf(join(folder.path, 'nowhere'))
  app.get('/other', async () => 'works')
  const answer = await app.inject('/')
  expect(answer.statusCode).toBe(404)
  expect(answer.json().detail).toContain("'npm run build' makes it")
  expect(missing).toEqual([expect.stringContaining('nowhere has no index.html')])
  expect((await app.inject('/other')).body).toBe('works')
})

it('the page may load only what comes from here, and is asked for anew each time; its assets never change', async () => {
  await build()
  await addPageOf(folder.path)
  const page = await app.inject('/')
  expect(page.body).toContain('the page')
  expect(page.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
  })
  const policy = String(page.headers['content-security-policy'])
  expect(policy).toContain("default-src 'none'")
  expect(policy).not.toMatch(/unsafe|http|\*/)
  const asset = await app.inject('/assets/index-1a2b.js')
  expect(asset.headers['cache-control']).toContain('immutable')
  expect(missing).toEqual([])
})

it('what is no file of the page is answered as ever, also what lies beside it', async () => {
  await build()
  await writeFile(join(folder.path, '..', 'confirmd-beside.txt'), 'not for you').catch(() => undefined)
  await addPageOf(folder.path)
  for (const path of ['/nothing', '/assets/', '/assets/gone.js', '/../package.json', '/%2e%2e%2fx']) {
    const answer = await app.inject(path)
    expect(answer.statusCode, path).toBe(404)
    expect(answer.headers['content-type'], path).toContain('application/problem+json')
  }
})
