import fc from 'fast-check'

/** Texts of JSON that no serializer writes, or that a store may choke on. */
const ODD_JSON = [
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '{"\\u0000":1}',
  '{"__proto__":{"admin":true}}',
  '{"constructor":{"prototype":{}}}',
  '{"a":1,"a":2}',
  '1e999',
  '-0',
  '1e-400',
  '5e-324',
  '0.1234567890123456789',
  '9007199254740993',
  '9'.repeat(400),
  '[[],[[]],{"":{"":""}}]',
  '"\u{1f600}\u00e9\ufeff\u2028"',
]

/** One JSON value as text: ordinary ones of all types, odd ones, deep ones, large ones. */
export const jsonText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.jsonValue({ stringUnit: 'binary' }).map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD_JSON) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(1, 60, 63, 64, 65, 70, 1_000, 50_000)
      .map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  },
  { weight: 1, arbitrary: fc.constantFrom(10, 1_000).map((length) => JSON.stringify('x'.repeat(length))) },
)

/** What may be cut, doubled or overwritten in a text, as bytes. */
export function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(text, fc.nat(), fc.uint8Array({ minLength: 0, maxLength: 4 }), fc.constantFrom(0, 1, 3, 1_000_000))
    .map(([valid, at, inserted, removed]) => {
      const bytes = Buffer.from(valid)
      const place = at % (bytes.length + 1)
      return Buffer.concat([bytes.subarray(0, place), inserted, bytes.subarray(place + removed)])
    })
}

/** JSON text of an object with these members, given as texts; undefined leaves a member out. */
export function objectText(members: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(members).filter(
    (member): member is [string, string] => member[1] !== undefined,
  )
  return `{${given.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`
}
