import { expect, it } from 'vitest'
import { jsonProblem } from '../../src/domain/json.ts'

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)]
}

it.each([
  null,
  true,
  0,
  -1.5,
  Number.MAX_SAFE_INTEGER,
  '',
  'emoji 🎉',
  [],
  {},
  { a: [{ b: null }] },
  nested(60),
])('storable JSON has no problem: %j', (value) => {
  expect(jsonProblem(value, 'payload')).toBeNull()
})

it.each([
  ['a\u0000b', 'payload'],
  [{ a: { b: 'x\ud800' } }, 'payload.a.b'],
  [['ok', '\udc00'], 'payload[1]'],
  [{ 'k\u0000': 1 }, 'payload (a key)'],
  [{ tokenId: 2 ** 53 }, 'payload.tokenId'],
  [{ n: Number.POSITIVE_INFINITY }, 'payload.n'],
])('what PostgreSQL or JSON.parse would change or refuse is named: %j', (value, path) => {
  expect(jsonProblem(value, 'payload')?.path).toBe(path)
})

it('nesting that would exhaust a serializer is refused without exhausting us', () => {
  const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) as unknown
  expect(jsonProblem(deep, 'payload')?.problem).toContain('nested deeper than 64')
})
