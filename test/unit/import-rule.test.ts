import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, it } from 'vitest'

const SRC = resolve('src')
const IMPORT = /(?:from\s+|import\s+|import\()'(\.[^']+)'/g

/** What each layer may import of ours, besides itself; files directly in src may import everything. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  flows: ['domain'],
  chain: ['domain'],
  store: ['domain'],
  broker: ['domain'],
  http: ['domain'],
  observe: ['domain'],
  webhooks: ['domain'],
  client: ['domain'],
  page: ['domain'],
}

function layerOf(file: string): string {
  return relative(SRC, file).includes('/') ? (relative(SRC, file).split('/')[0] ?? '') : ''
}

function importsOf(file: string): string[] {
  const source = readFileSync(file, 'utf8')
  return [...source.matchAll(IMPORT)].map(([, target]) => resolve(dirname(file), target ?? ''))
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => join(SRC, name))

it('there are files and imports to look at', () => {
  expect(files.length).toBeGreaterThan(40)
  expect(files.flatMap(importsOf).length).toBeGreaterThan(100)
})

it('every layer imports only what it may', () => {
  const violations = files.flatMap((file) => {
    const layer = layerOf(file)
    const allowed = ALLOWED[layer]
    if (!allowed) return []
    return importsOf(file)
      .filter((target) => layerOf(target) !== layer && !allowed.includes(layerOf(target)))
      .map((target) => `${relative(SRC, file)} imports ${relative(SRC, target)}`)
  })
  expect(violations).toEqual([])
})

it('nothing but the process and the development parts imports the development parts statically', () => {
  const violations = files
    .filter((file) => layerOf(file) !== 'dev')
    .filter((file) => /^import .*'\.\/dev\//m.test(readFileSync(file, 'utf8')))
  expect(violations).toEqual([])
})
