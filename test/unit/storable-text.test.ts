import { expect, it } from 'vitest'
import { storableText } from '../../src/domain/storable-text.ts'

it.each([
  ['plain', 'plain'],
  ['a\0b', 'a\ufffdb'],
  ['\ud800', '\ufffd'],
  ['\udc00x', '\ufffdx'],
  ['\ud83d\ude00', '\ud83d\ude00'],
  ['\ud83d\ud83d\ude00', '\ufffd\ud83d\ude00'],
  ['', ''],
])('%j is stored as %j', (text, stored) => {
  expect(storableText(text, 10)).toBe(stored)
})

it('a longer text is cut to the limit, with an ellipsis, and not within a character', () => {
  expect(storableText('abcdef', 6)).toBe('abcdef')
  expect(storableText('abcdefg', 6)).toBe('abcde…')
  expect(storableText('abcd\ud83d\ude00g', 6)).toBe('abcd…')
  expect(storableText('abc\ud83d\ude00g!', 6)).toBe('abc\ud83d\ude00…')
  expect(storableText('abcd\ud83dxxx', 6)).toBe('abcd\ufffd…')
  expect(storableText('x'.repeat(1_000_000), 500)).toHaveLength(500)
})
