import { describe, expect, it } from 'vitest'
import { readAmqpUrls } from '../../src/read-amqp-urls.ts'

function problemsOf(text: string): string[] {
  try {
    readAmqpUrls(text)
  } catch (error) {
    return (error as Error).message.split('; ')
  }
  return []
}

const NO_URL = 'must be a URL that begins with amqp:// or amqps://'
const NOT_LIKE_ONE = 'must be written like amqp://user:password@host:5672/vhost'
const SEVERAL =
  'must name several hosts by whole URLs with commas between them: amqp://u:p@a/v,amqp://u:p@b/v'

describe('AMQP_URL', () => {
  it.each([
    ['amqp://h', ['amqp://h']],
    ['amqps://u:p@h:5671/v?heartbeat=5', ['amqps://u:p@h:5671/v?heartbeat=5']],
    [
      'amqp://u:p@a:5672/v, amqp://u:q@b:5672/v,amqps://u:p@[::1]/v',
      ['amqp://u:p@a:5672/v', 'amqp://u:q@b:5672/v', 'amqps://u:p@[::1]/v'],
    ],
    ['amqp://one:5672,amqp://one:5673', ['amqp://one:5672', 'amqp://one:5673']],
    ['amqp://u:a,b@h/v,amqp://u:,@i/v', ['amqp://u:a,b@h/v', 'amqp://u:,@i/v']],
    [
      'amqp://a,amqp://b/,amqp://c/%2F,amqp://d/%2f',
      ['amqp://a', 'amqp://b/', 'amqp://c/%2F', 'amqp://d/%2f'],
    ],
  ])('takes %s', (text, urls) => {
    expect(readAmqpUrls(text)).toEqual(urls)
  })

  it.each([
    ['secret', [NO_URL]],
    ['http://u:secret@h', [NO_URL]],
    ['amqp://u:secret#@h', ['must be a URL without #: within a password it is written %23']],
    ['amqp://u:secret@h,', [SEVERAL]],
    ['amqp://u:secret@a:5672,b:5672,c:5672/v', [SEVERAL]],
    ['amqp://u:secret@a/v,http://u:secret@b/v', [SEVERAL]],
    ['amqp://u:secret@a/v;amqp://u:secret@b/v', [SEVERAL]],
    ['amqp://u:secret@a b/v', [NOT_LIKE_ONE]],
    ['amqp://u:secret@a!/v', ['must name a host']],
    [',amqp://u:secret@a', [`number 1 ${NO_URL}`]],
    ['amqp:///v', ['must name a host']],
    [
      'amqp://u:secret@a:99999,amqp://u:secret@b,amqp://u:secret@/v',
      [`number 1 ${NOT_LIKE_ONE}`, `number 3 ${NOT_LIKE_ONE}`],
    ],
    [
      'amqp://u:secret@a,amqp://u:secret@b/v,amqp://u:other@A:5672',
      ['must not name one host twice: numbers 1 and 3', 'must name the same vhost in each of its URLs'],
    ],
  ])('refuses %s and says everything that is wrong', (text, problems) => {
    expect(problemsOf(text)).toEqual(problems)
  })

  it('takes up to 16 hosts', () => {
    const hosts = Array.from({ length: 17 }, (_, index) => `amqp://u:secret@h${index}`)
    expect(readAmqpUrls(hosts.slice(0, 16).join(','))).toHaveLength(16)
    expect(problemsOf(hosts.join(','))).toEqual(['must name at most 16 hosts, not 17'])
  })

  it('refuses a URL that is too long', () => {
    expect(problemsOf(`amqp://u:${'secret'.repeat(400)}@a`)).toEqual(['must have at most 2048 characters'])
  })

  it('never repeats a password', () => {
    for (const text of [
      'amqp://u:secret',
      'amqp://u:secret@a:x',
      'secret,amqp://u:secret@',
      'amqp://secret,secret',
    ]) {
      expect(problemsOf(text)).not.toEqual([])
      expect(problemsOf(text).join()).not.toContain('secret')
    }
  })
})
