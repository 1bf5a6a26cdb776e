import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonProblem } from '../../src/domain/json.ts'
import { markLossyNumbers } from '../../src/domain/lossy-numbers.ts'
import { generatedRuns } from '../support/fuzz.ts'
import { jsonText, mutated } from '../support/generated-json.ts'

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

describe('numbers in JSON text', () => {
  /** JSON.parse alone would round it. */
  const LOSSY = '1234.567890123456789012'

  function problemIn(text: string) {
    return jsonProblem(JSON.parse(markLossyNumbers(text)), 'payload')
  }

  const plain = ['0', '7', '-1.5', '0.1', '0.30000000000000004', '9007199254740991', '-9007199254740991']
  const otherNotations = ['1.10', '1e2', '1E+2', '0.1e1', '100e-2', `1${'0'.repeat(400)}e-400`]
  const largeAndWhole = ['1000000000000000000', '1e21', '123456789012345e9', '1e308']
  const tiny = ['2.2250738585072014e-308', '5e-324']
  /** PostgreSQL has no negative zero; -0 = 0. */
  const zeros = ['-0', '-0.0', '0e400', '0.00e-400']

  it.each([...plain, ...otherNotations, ...largeAndWhole, ...tiny, ...zeros])(
    '%s keeps its value and is accepted',
    (number) => {
      expect(problemIn(number)).toBeNull()
    },
  )

  const tooManyDigits = [LOSSY, '1.00000000000000000001', '-0.12345678901234567890', '9007199254740993.5']
  /** What a double makes of 0.1; it is written as 0.1. */
  const exactDouble = '0.1000000000000000055511151231257827021181583404541015625'
  const roundedWhole = ['9007199254740993', '-9007199254740993', '1000000000000000000001']
  const outOfRange = ['1e400', '-1e400', '1.8e308', '1e-400', '1e99999999999999999999']
  /** The smallest doubles have few digits. */
  const subnormal = ['4e-324', '123456789012345e-324', '0.12345678901234568e-320']
  /** They are kept, but the sender's own language may have rounded them. */
  const maybeRounded = ['9007199254740992', '1.2345678901234568e+23', '1.7976931348623157e308']

  it.each([...tooManyDigits, exactDouble, ...roundedWhole, ...outOfRange, ...subnormal, ...maybeRounded])(
    '%s would lose digits and is refused',
    (number) => {
      expect(problemIn(number)).toEqual({
        path: 'payload',
        problem: 'is a number that would lose digits; send it as a string',
      })
    },
  )

  it.each([
    [`{"items": [1, "2", {"amount" : ${LOSSY} }]}`, 'payload.items[2].amount'],
    [`[{"a":1},[[-${LOSSY}]]]`, 'payload[1][0][0]'],
    [String.raw`{"say \"hello\"":${LOSSY}}`, 'payload.say "hello"'],
    [String.raw`["ends in \\",${LOSSY}]`, 'payload[1]'],
    [String.raw`["\\\"",${LOSSY}]`, 'payload[1]'],
  ])('are found wherever they are: %s', (text, path) => {
    expect(problemIn(text)?.path).toBe(path)
  })

  it('are not looked for in strings and keys', () => {
    const strings = [LOSSY, `"${LOSSY}`, `\\"${LOSSY}`, `${LOSSY}\\`, `",${LOSSY},"`]
    const text = JSON.stringify([strings, Object.fromEntries(strings.map((key) => [key, key]))])
    expect(markLossyNumbers(text)).toBe(text)
  })

  it('of a key that is given twice count as JSON.parse reads the key: the last one', () => {
    expect(problemIn(`{"amount":${LOSSY},"amount":1}`)).toBeNull()
    expect(problemIn(`{"amount":1,"amount":${LOSSY}}`)?.path).toBe('payload.amount')
  })

  it('change nothing about whether a text is JSON', () => {
    const isJson = (text: string) => {
      try {
        JSON.parse(text)
        return true
      } catch {
        return false
      }
    }
    const malformed = fc
      .array(
        fc.constantFrom('"', '\\', LOSSY, '12345678901234567890', '.', 'e', '-', '0', '[', ']', ',', ' '),
      )
      .map((parts) => parts.join(''))
    const text = fc.oneof(
      malformed,
      mutated(jsonText).map((bytes) => bytes.toString('utf8')),
    )
    fc.assert(
      fc.property(text, (given) => {
        expect(isJson(markLossyNumbers(given))).toBe(isJson(given))
      }),
      generatedRuns(3_000),
    )
  })
})
