import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonProblem } from '../../src/domain/json.ts'
import { storableText } from '../../src/domain/storable-text.ts'

it('any text can be stored afterwards, and is no longer than asked for', () => {
  const units = fc.array(fc.constantFrom(0, 0x41, 0xd83d, 0xde00, 0xdfff, 0xfffd), { maxLength: 40 })
  fc.assert(
    fc.property(units, fc.integer({ min: 1, max: 40 }), (codes, maxCharacters) => {
      const text = storableText(String.fromCharCode(...codes), maxCharacters)
      expect(text.length).toBeLessThanOrEqual(maxCharacters)
      expect(jsonProblem(text, 'text')).toBeNull()
    }),
    { numRuns: 2_000 },
  )
})

it('a text that can be stored is kept as it is', () => {
  expect(storableText('né 😀')).toBe('né 😀')
})

it('a text of megabytes is cut at 500 characters, with a mark', () => {
  const text = storableText('x'.repeat(5_000_000))
  expect(text).toHaveLength(500)
  expect(text.endsWith('x…')).toBe(true)
})
