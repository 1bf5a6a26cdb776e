import { describe, expect, it } from 'vitest'
import { createApiKey } from '../../src/http/api-key.ts'
import { createRedact } from '../../src/observe/redact.ts'

describe('the redaction', () => {
  const redact = createRedact([
    'postgres://owner:database%2Fword@db.example:5432/orders?sslpassword=tls-secret-1',
    'amqp://owner:broker"word@mq.example/vhost',
    'https://node.example/v3/path-key-0123?token=query-key-0123',
    'https://user-key-0123@node.example/rpc',
    'wss://node.example/ws/socket-key-0123',
  ])

  it.each([
    ['a password as written', 'database%2Fword'],
    ['a password decoded', 'database/word'],
    ['a password in the query', 'tls-secret-1'],
    ['a key in a path', 'path-key-0123'],
    ['a key in a query', 'query-key-0123'],
    ['a key in the path of a WebSocket', 'socket-key-0123'],
    ['a key in place of the user', 'user-key-0123'],
  ])('takes out %s', (_title, secret) => {
    expect(redact(`connect ${secret}: refused`)).toBe('connect [redacted]: refused')
  })

  it('takes out a secret that JSON has escaped', () => {
    expect(redact(JSON.stringify({ password: 'broker"word' }))).toBe('{"password":"[redacted]"}')
  })

  it('takes out the credentials of URLs that it was not told of', () => {
    expect(redact('at redis://me:other-word@cache:6379/0')).toBe('at redis://[redacted]@cache:6379/0')
  })

  it('leaves of a key of the API only whose it is', () => {
    const { key } = createApiKey('shop')
    expect(redact(`authorization: Bearer ${key}`)).toBe('authorization: Bearer ck_shop_[redacted]')
  })

  it('leaves what is open: hosts, users, the name of the database', () => {
    const line = '{"msg":"db.example:5432/orders, owner; node.example","url":"http://127.0.0.1:8080"}'
    expect(redact(line)).toBe(line)
  })

  it('leaves a password that is the user name too: it would blank out every line with the name', () => {
    expect(createRedact(['amqp://confirmd:confirmd@rabbitmq:5672'])('confirmd api is serving')).toBe(
      'confirmd api is serving',
    )
  })
})
