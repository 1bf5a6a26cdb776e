import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { SETTING_LIST } from '../../src/config.ts'
import { NOT_TRIED, readCommandBlocks } from '../support/command-blocks.ts'

const FILE = 'docs/operations.md'
const operationsText = readFileSync(FILE, 'utf8')

const ALERTS = 'deploy/monitoring/alerts.yml'

interface AlertFile {
  readonly groups: readonly { readonly rules: readonly { readonly alert?: string }[] }[]
}

/** Headings of one level within a part of the document. */
function headingsIn(part: string, level: string): string[] {
  return [...part.matchAll(new RegExp(`^${level} (.*)$`, 'gm'))].map(([, heading = '']) => heading)
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-')
}

describe('docs/operations.md', () => {
  it('has a section for each alert, and none for others', () => {
    const { groups } = parse(readFileSync(ALERTS, 'utf8')) as AlertFile
    const alerts = groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []))
    const [, part = ''] = operationsText.split('## What to do at each alert\n')
    expect(headingsIn(part, '###')).toEqual(alerts)
    for (const section of part.split(/^### /m).slice(1)) {
      for (const word of ['Means', 'Look', 'Do']) expect(section).toContain(`**${word}:**`)
    }
  })

  it('links to headings and files that there are', () => {
    const anchors = headingsIn(operationsText, '##+').map(anchorOf)
    for (const [, target = ''] of operationsText.matchAll(/\]\(([^)]+)\)/g)) {
      if (target.startsWith('#')) expect(anchors).toContain(target.slice(1))
      else expect(existsSync(`docs/${target}`), target).toBe(true)
    }
  })

  it('has no command within the text that is neither marked as not tried nor in a block that is run', () => {
    const run = readCommandBlocks(FILE)
      .filter(({ isTried }) => isTried)
      .map(({ commands }) => commands)
    const text = operationsText.replaceAll(/^```[\s\S]*?^```$/gm, '')
    for (const paragraph of text.split('\n\n').filter((each) => !each.includes(NOT_TRIED))) {
      const named = paragraph.matchAll(/`((?:kubectl|psql|pg_\w+|createdb|rabbitmq\S+|curl|node) [^`]+)`/g)
      for (const [, command = ''] of named) {
        expect(
          run.some((commands) => commands.includes(command)),
          command,
        ).toBe(true)
      }
    }
  })

  it('names settings that there are', () => {
    const variables = SETTING_LIST.map(({ variable }) => variable)
    const commands = [
      'DATABASE_URL',
      'ADMIN_URL',
      'STANDBY_URL',
      'CONFIRMD_URL',
      'CONFIRMD_KEY',
      'CREATE',
      'LISTEN',
      'FROM',
    ]
    for (const [, name = ''] of operationsText.matchAll(/`([A-Z]{2,}(?:_[A-Z]+)*)`/g)) {
      expect([...variables, ...commands]).toContain(name)
    }
  })
})
