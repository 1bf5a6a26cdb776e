import type { Options } from 'amqplib'
import fc from 'fast-check'
import { jsonText, mutated, objectText } from './generated-json.ts'

/** A message as any program may publish it to the check queue. */
export interface GeneratedMessage {
  readonly content: Buffer
  readonly properties: Options.Publish
}

const hexDigits = (count: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: count, maxLength: count })
    .map((digits) => digits.join(''))

const quoted = (text: fc.Arbitrary<string>) => text.map((value) => JSON.stringify(value))
const optional = (text: fc.Arbitrary<string>) => fc.option(text, { nil: undefined })

const oddValue = fc.oneof(
  jsonText,
  fc.constantFrom('null', 'true', '-1', '1.5', '"0"', '"0x"', '""', '[]', '{}', '1e3', '9007199254740993'),
)

/** Versions that are ours, in all ways to write them, and others. */
const version = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('1', '1.0', '1e0') },
  { weight: 1, arbitrary: fc.constantFrom('2', '0', '"1"', '1.5', 'true', '{"major":2}') },
  { weight: 1, arbitrary: oddValue },
)

const foreign = fc.record({
  v: optional(version),
  txHash: quoted(hexDigits(64).map((digits) => `0x${digits}`)),
  chain: optional(fc.constant('"kaia"')),
  kind: optional(fc.constantFrom('"order"', '"ticket"')),
  payload: optional(jsonText),
  from: optional(quoted(hexDigits(40).map((digits) => `0x${digits}`))),
  nonce: optional(fc.nat().map(String)),
  note: optional(jsonText),
})

const WITHOUT_TEXT = Buffer.alloc(0)
const LONG = 1_000_000

const text = fc.string({ unit: 'binary', maxLength: 60 })
const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 60 })

/** What else a publisher may say about its message; nothing at all as well. */
const properties: fc.Arbitrary<Options.Publish> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        correlationId: fc.oneof(
          ascii,
          text,
          fc.constantFrom('', '\u0000', 'a\u0000b', 'r'.repeat(255), '\u{1f600}'.repeat(60)),
        ),
        contentType: fc.constantFrom('application/json', 'text/plain', 'application/octet-stream', ''),
        contentEncoding: fc.constantFrom('utf-8', 'gzip', 'base64', 'x'),
        deliveryMode: fc.constantFrom(1, 2),
        priority: fc.constantFrom(0, 9, 255),
        expiration: fc.constant('600000'),
        messageId: ascii,
        timestamp: fc.constantFrom(0, 1_700_000_000, Number.MAX_SAFE_INTEGER),
        type: ascii,
        appId: ascii,
        replyTo: ascii,
        headers: fc.constantFrom<Record<string, unknown>>(
          { 'x-confirmd-reason': 'forged' },
          { 'x-death': [{ count: 999, queue: 'x', reason: 'expired' }] },
          { 'x-delivery-count': 5_000 },
          { nested: { deep: { deeper: [1, 'two', null, true, 1.5] } } },
          { 'x-retry': -1, __proto__: null },
        ),
      },
      { requiredKeys: [] },
    ),
  },
)

/**
 * Messages of all kinds: readable, torn, wrong, of other versions, large, deep, random.
 * @param ids rows that checks may speak of
 */
export function generatedMessages(ids: readonly string[]): fc.Arbitrary<GeneratedMessage> {
  const alone = {
    id: quoted(
      fc.oneof(
        fc.constantFrom(...ids),
        fc.constantFrom(...ids).map((id) => id.toUpperCase()),
        fc.uuid(),
      ),
    ),
    chain: optional(fc.constant('"kaia"')),
    txHash: optional(quoted(hexDigits(64).map((digits) => `0x${digits}`))),
    retry_count: optional(fc.oneof(fc.nat({ max: 12 }).map(String), oddValue)),
  }
  const others = fc
    .array(fc.oneof(fc.record({ ...alone, correlation_id: optional(oddValue) }).map(objectText), jsonText), {
      maxLength: 25,
    })
    .map((list) => `[${list.join()}]`)
  const check = fc.record({
    v: optional(version),
    ...alone,
    more: optional(fc.oneof(jsonText, others)),
  })
  const wrong = fc
    .tuple(
      fc.oneof(check, foreign),
      fc.constantFrom(
        'v',
        'id',
        'txHash',
        'kind',
        'chain',
        'from',
        'nonce',
        'payload',
        'retry_count',
        '__proto__',
      ),
      optional(oddValue),
    )
    .map(([fields, name, value]) => objectText({ ...fields, [name]: value }))
  const content = fc.oneof(
    { weight: 5, arbitrary: foreign.map(objectText).map((json) => Buffer.from(json)) },
    { weight: 4, arbitrary: check.map(objectText).map((json) => Buffer.from(json)) },
    { weight: 5, arbitrary: wrong.map((json) => Buffer.from(json)) },
    { weight: 4, arbitrary: mutated(fc.oneof(check.map(objectText), foreign.map(objectText))) },
    { weight: 1, arbitrary: jsonText.map((json) => Buffer.from(json)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.constant(WITHOUT_TEXT) },
  )
  const large = fc.constantFrom(
    Buffer.from(objectText({ v: '['.repeat(LONG / 10) + ']'.repeat(LONG / 10), id: '1' })),
    Buffer.from(objectText({ txHash: '"0x"', payload: JSON.stringify('x'.repeat(LONG)) })),
    Buffer.alloc(LONG, 0x5b),
  )
  return fc
    .record({
      content: fc.oneof({ weight: 2_000, arbitrary: content }, { weight: 1, arbitrary: large }),
      properties,
    })
    .map(({ content: body, properties: { headers, ...others } }) => {
      // It would part the checks of one message: none is set aside then as it was published.
      const isForged = headers?.['x-delivery-count'] !== undefined && body.includes('"more"')
      return { content: body, properties: { ...others, ...(headers && !isForged ? { headers } : {}) } }
    })
}
