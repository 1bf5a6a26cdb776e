import fc from 'fast-check'
import { jsonText, mutated, objectText } from './generated-json.ts'

/** A request as it goes over the wire. */
export interface GeneratedRequest {
  readonly bytes: Buffer
  /** False: a server may wait for the rest of it, or take its end for the begin of another one. */
  readonly isComplete: boolean
  /** The body of a well-formed registration request; null for all others. */
  readonly registration: Buffer | null
}

interface Parts {
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

const COLLECTION = '/v1/transactions'
const UNKNOWN_ID = '01a1fcf8-4105-7698-b979-e1c3f217e56c'

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdefABCDEF'), { minLength: digits, maxLength: digits })
    .map((all) => `0x${all.join('')}`)

/** Some hashes come again and again, so that known ones and conflicts occur. */
const txHash = fc.oneof(
  { weight: 3, arbitrary: hex(64) },
  { weight: 1, arbitrary: fc.nat({ max: 30 }).map((index) => `0x${index.toString(16).padStart(64, '0')}`) },
)

const optional = (text: fc.Arbitrary<string>) => fc.option(text, { nil: undefined })
const quoted = (text: fc.Arbitrary<string>) => text.map((value) => JSON.stringify(value))

const validFields = fc.record({
  txHash: quoted(txHash),
  chain: optional(fc.constant('"kaia"')),
  kind: optional(fc.constantFrom('"order"', '"nft-mint"', '"a.b:c_D"')),
  payload: optional(jsonText),
  from: optional(quoted(hex(40))),
  nonce: optional(fc.nat({ max: 1_000_000 }).map(String)),
})

const wrongFields = fc
  .tuple(
    validFields,
    fc.constantFrom(
      'txHash',
      'chain',
      'kind',
      'payload',
      'from',
      'nonce',
      'status',
      '__proto__',
      'constructor',
      '',
    ),
    optional(
      fc.oneof(jsonText, fc.constantFrom('null', '-1', '1.5', '"0x"', '"KAIA"', '"ethereum"', '""', '{}')),
    ),
  )
  .map(([fields, name, value]) => ({ ...fields, [name]: value }))

const webhookBody = fc
  .record({
    url: optional(
      fc.constantFrom(
        '"https://example.com/"',
        '"http://10.0.0.1/"',
        '"https://[::1]/"',
        '"https://example.com/\\u0000"',
        '"\\u0000"',
        '5',
      ),
    ),
    description: optional(fc.constantFrom('"shop"', '"\\u0000"', '"\\ud800"')),
    kinds: optional(fc.constantFrom('["order"]', '[]', 'null', '[5]', '["\\ud800"]')),
    statuses: optional(fc.constantFrom('["failed"]', '["pending"]', 'null')),
    enabled: optional(fc.constantFrom('true', 'false', 'null')),
    from: optional(fc.constantFrom('"2026-11-21T00:00:00Z"', '"2026-13-41T99:00:00Z"', '"now"')),
    delivered: optional(fc.constantFrom('true', '1')),
  })
  .map((fields) => Buffer.from(objectText(fields)))

const validBody = validFields.map(objectText)
const body = fc.oneof(
  { weight: 6, arbitrary: validBody.map((text) => Buffer.from(text)) },
  { weight: 6, arbitrary: wrongFields.map((fields) => Buffer.from(objectText(fields))) },
  { weight: 4, arbitrary: mutated(validBody) },
  { weight: 2, arbitrary: webhookBody },
  { weight: 2, arbitrary: jsonText.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(200_000, 262_144, 300_000)
      .map((length) =>
        Buffer.from(
          objectText({ txHash: `"0x${'5'.repeat(64)}"`, payload: JSON.stringify('x'.repeat(length)) }),
        ),
      ),
  },
)

const JSON_TYPE = 'content-type: application/json'
const contentType = fc.oneof(
  { weight: 12, arbitrary: fc.constant(JSON_TYPE) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'content-type: application/json; charset=utf-8',
      'content-type: application/json; charset=utf-16',
      'content-type: text/plain',
      'content-type: application/x-www-form-urlencoded',
      'content-type: multipart/form-data',
      'content-type: application/jsonx',
      'content-type:',
      'content-type: ;;;',
      'content-type: \u00ff\u00fe',
      'x-none: 1',
    ),
  },
)

const oddHeader = fc.oneof(
  fc.constantFrom(
    'accept: image/png',
    'content-encoding: gzip',
    'transfer-encoding: chunked',
    'transfer-encoding: gzip',
    'content-length: 5',
    'content-length: -1',
    'content-length: 99999999999999999999',
    'expect: 100-continue',
    'expect: something',
    'upgrade: websocket\r\nconnection: upgrade',
    'host: a\r\nhost: b',
    'without-host: 1',
    'origin: null',
    "x-forwarded-for: ::1, '; DROP TABLE confirmd.transaction_history",
    'x-request-id: order-42',
    'x-request-id: \u0001\u00ff',
    `x-request-id: ${'r'.repeat(500)}`,
    `cookie: ${'c'.repeat(30_000)}`,
    'range: bytes=0-5',
    'accept-version: 9.9.9',
    'x-http-method-override: DELETE',
  ),
  fc
    .string({ maxLength: 30, unit: 'grapheme-ascii' })
    .map((value) => `x-odd: ${value.replaceAll(/[\r\n]/g, '')}`),
)
const oddHeaders = fc.oneof(
  { weight: 5, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(oddHeader, { maxLength: 3 }) },
)

const method = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('GET', 'POST') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'HEAD',
      'TRACE',
      'PROPFIND',
      'M-SEARCH',
      'QUERY',
      'post',
      'FOO',
    ),
  },
)

const segment = fc.oneof(
  fc.constantFrom(
    UNKNOWN_ID,
    UNKNOWN_ID.toUpperCase(),
    '..',
    '%2e%2e',
    '%',
    '%00',
    '%zz',
    '%ed%a0%80',
    'recheck',
    '%2F',
    "'",
    'a'.repeat(3_000),
  ),
  fc.webSegment(),
)
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constant(COLLECTION) },
  { weight: 3, arbitrary: segment.map((id) => `${COLLECTION}/${id}`) },
  { weight: 2, arbitrary: segment.map((id) => `${COLLECTION}/${id}/recheck`) },
  { weight: 1, arbitrary: fc.constant('/v1/events') },
  { weight: 1, arbitrary: fc.constant('/v1/webhooks') },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        segment,
        fc.constantFrom('', '/deliveries', '/deliveries/1/replay', '/replay', '/secret', '/test'),
      )
      .map(([id, rest]) => `/v1/webhooks/${id}${rest}`),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '/',
      '//',
      '/healthz',
      '/readyz',
      '/metrics',
      '/openapi.json',
      '/docs',
      '/docs/',
      '/docs/static/index.html',
      '/docs/static/../../package.json',
      '*',
      'http://other.example/v1/transactions',
      '/V1/Transactions',
      '/v1/transactions/',
      '/v1;x/transactions',
    ),
  },
  { weight: 2, arbitrary: fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`) },
)

const queryValue = fc.oneof(
  fc.constantFrom(
    '1',
    '0',
    '-1',
    '200',
    '201',
    '1e2',
    '1e309',
    'NaN',
    '',
    'null',
    'pending',
    'PENDING',
    'kaia',
    '%00',
    '%ff',
    '%ed%a0%80',
    "'--",
    `0x${'0'.repeat(64)}`,
    Buffer.from(UNKNOWN_ID).toString('base64url'),
    'x'.repeat(200),
  ),
  fc.webQueryParameters(),
)
const query = fc.oneof(
  fc.constant(''),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'limit',
          'cursor',
          'status',
          'kind',
          'txHash',
          'chain',
          'after',
          'wait',
          'limit[]',
          '__proto__',
          'other',
        ),
        queryValue,
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((pairs) => `?${pairs.map((pair) => pair.join('=')).join('&')}`),
)

const registrationRequest = fc.record({
  method: fc.constant('POST'),
  target: fc.constant(COLLECTION),
  headers: fc.tuple(contentType, oddHeaders).map(([type, others]) => [type, ...others]),
  body,
})
const anyRequest = fc.record({
  method,
  target: fc.tuple(path, query).map(([where, what]) => where + what),
  headers: fc.tuple(contentType, oddHeaders).map(([type, others]) => [type, ...others]),
  body: fc.oneof(fc.constant(Buffer.alloc(0)), body),
})

/** Requests of all kinds, most of them to the route that records, a tenth of them not even HTTP. */
export const generatedRequests: fc.Arbitrary<GeneratedRequest> = fc.oneof(
  {
    weight: 6,
    arbitrary: registrationRequest.map((parts) => ({
      bytes: wire(parts),
      isComplete: isComplete(parts),
      registration: isPlain(parts) ? parts.body : null,
    })),
  },
  {
    weight: 4,
    arbitrary: anyRequest.map((parts) => ({
      bytes: wire(parts),
      isComplete: isComplete(parts),
      registration: null,
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .oneof(
        mutated(registrationRequest.map((parts) => wire(parts).toString('latin1'))),
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      )
      .map((bytes) => ({ bytes, isComplete: false, registration: null })),
  },
)

/** Whether nothing but the body may be wrong with it, so that a 202 must have recorded this body. */
function isPlain({ headers }: Parts): boolean {
  return headers.length === 1
}

const SAYS_LENGTH = /^(content-length|transfer-encoding)/

function isComplete({ headers }: Parts): boolean {
  return !headers.some((header) => SAYS_LENGTH.test(header))
}

function wire(parts: Parts): Buffer {
  const { method: verb, target, headers, body: content } = parts
  const length = isComplete(parts) ? [`content-length: ${content.length}`] : []
  const hosts = headers.some((header) => /^(host|without-host):/.test(header)) ? [] : ['host: localhost']
  const head = [`${verb} ${target} HTTP/1.1`, ...hosts, 'connection: close', ...length, ...headers]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), content])
}
