import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { createProgram } from '../../src/commands/program.ts'
import { SETTING_LIST } from '../../src/config.ts'
import { TRANSACTION_STATUSES } from '../../src/domain/transaction.ts'

const readme = readFileSync('README.md', 'utf8')
const packageJson = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
const VARIABLES = SETTING_LIST.map(({ variable }) => variable)
const PROGRAM = createProgram().commands
const COMMANDS = PROGRAM.map((command) => command.name())

function tableAfter(heading: string): string[] {
  const section = readme.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replace(/ +/g, ' '))
}

it("the README's configuration table is that of the code", () => {
  const expected = SETTING_LIST.map(({ variable, fallback, fallbackText, meaning }) => {
    const shown = fallbackText ?? `\`${fallback}\``
    return `| \`${variable}\` | ${shown} | ${meaning} |`
  })
  expect(tableAfter('Configuration').slice(2)).toEqual(expected)
})

it("the README's state table has every state", () => {
  const states = tableAfter('States').slice(2)
  expect(states.map((line) => line.split('`')[1])).toEqual([...TRANSACTION_STATUSES])
})

it('every npm script that the README names exists', () => {
  const named = [
    ...readme.matchAll(/npm (?:run )?(demo|start|test|lint|types|build|drill|bench|[a-z]+:[a-z]+)\b/g),
  ]
  expect(named.length).toBeGreaterThan(5)
  for (const [, script] of named) expect(packageJson.scripts).toHaveProperty(script ?? '')
})

it('every command that the README runs exists', () => {
  const named = [...readme.matchAll(/node dist\/main\.js (\w+)/g)].map(([, role]) => role)
  expect(named).toEqual(['migrate', 'api', 'worker', 'prune', 'prune', 'key'])
  for (const role of named) expect(COMMANDS).toContain(role)
})

it("the README's command table has every command but the roles", () => {
  const commands = PROGRAM.flatMap((command) =>
    command.commands.length > 0
      ? command.commands.map((each) => `${command.name()} ${each.name()}`)
      : [command.name()],
  )
  const section = readme.split('### Command line\n')[1]?.split('\n### ')[0] ?? ''
  const named = [...section.matchAll(/^\| `([a-z]+(?: (?:list|requeue|drop|create|forget))?)/gm)].map(
    ([, name]) => name,
  )
  expect(named.toSorted()).toEqual(
    commands.filter((name) => !['start', 'api', 'worker'].includes(name)).toSorted(),
  )
})

interface Service {
  command?: string[]
  environment?: Record<string, unknown>
  depends_on?: Record<string, { condition: string }>
  volumes?: string[]
}
const compose = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}

it('docker-compose.yml runs roles that exist, with settings that exist, in an order that works', () => {
  const ours = ['migrate', 'api', 'worker']
  for (const name of ours) {
    const { command, environment = {} } = compose.services[name] ?? {}
    expect(command).toEqual([name])
    for (const variable of Object.keys(environment)) expect([...VARIABLES, 'NODE_ENV']).toContain(variable)
    const needed = ['DATABASE_URL', 'AMQP_URL', 'RPC_URLS', 'API_KEYS']
    expect(Object.keys(environment)).toEqual(expect.arrayContaining(needed))
  }
  expect(compose.services['migrate']?.depends_on).toMatchObject({
    postgres: { condition: 'service_healthy' },
  })
  for (const name of ['api', 'worker']) {
    expect(compose.services[name]?.depends_on).toMatchObject({
      migrate: { condition: 'service_completed_successfully' },
      rabbitmq: { condition: 'service_healthy' },
    })
  }
  const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) =>
    volumes.map((each) => each.split(':')[0]),
  )
  const named = mounted.filter((each) => !each?.startsWith('./'))
  expect(named.sort()).toEqual(Object.keys(compose.volumes).sort())
})
