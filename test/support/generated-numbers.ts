import fc from 'fast-check'

const digits = (maxLength: number) =>
  fc.array(fc.constantFrom(...'0123456789'), { minLength: 1, maxLength }).map((all) => all.join(''))

const withoutLeadingZeros = (text: string) => text.replace(/^0+(?=\d)/, '')

/** Any text that the grammar of JSON allows, up to what a double can't hold. */
const anyNumber = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), digits(25).map(withoutLeadingZeros)),
    fc.oneof(
      fc.constant(''),
      digits(25).map((fraction) => `.${fraction}`),
    ),
    fc.oneof(
      fc.constant(''),
      fc
        .tuple(
          fc.constantFrom('e', 'E'),
          fc.constantFrom('', '+', '-'),
          fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 340 })),
        )
        .map((parts) => parts.join('')),
    ),
  )
  .map((parts) => parts.join(''))

const double = fc.double({ noNaN: true, noDefaultInfinity: true })

/** The doubles themselves, and decimals beside them: the edge between kept and lost. */
const nearDouble = fc.oneof(
  double.map((value) => JSON.stringify(value)),
  fc.tuple(double, fc.integer({ min: 1, max: 20 })).map(([value, count]) => value.toPrecision(count)),
  fc
    .tuple(fc.integer({ min: 1, max: 2_000_000 }), fc.integer({ min: 0, max: 17 }))
    .map(([value, count]) => (value / 1_000).toFixed(count)),
)

/** A number as JSON text, short and long, of any notation. */
export const numberText: fc.Arbitrary<string> = fc.oneof(anyNumber, nearDouble)
