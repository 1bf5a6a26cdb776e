import { readFileSync } from 'node:fs'

/** A block of commands in a document. */
export interface CommandBlock {
  /** The nearest heading above it. */
  readonly heading: string
  /** Which one it is below that heading, from 1. */
  readonly place: number
  readonly commands: string
  /** Whether the text before it does not say that it was not tried. */
  readonly isTried: boolean
}

/** Says in a paragraph that the commands in it, or in the block below it, were not run. */
export const NOT_TRIED = '*(not tried here)*'

/** Its blocks, in their order. */
export function readCommandBlocks(file: string): readonly CommandBlock[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  const blocks: CommandBlock[] = []
  let heading = ''
  let place = 0
  let paragraph = ''
  let commands: string | null = null
  for (const [index, line] of lines.entries()) {
    if (commands !== null) {
      if (line === '```') {
        blocks.push({ heading, place, commands, isTried: !paragraph.includes(NOT_TRIED) })
        commands = null
      } else commands += `${line}\n`
    } else if (line.startsWith('#')) {
      heading = line.replace(/^#+ /, '')
      place = 0
    } else if (line === '```bash') {
      place += 1
      commands = ''
    } else if (line !== '') {
      paragraph = lines[index - 1] === '' ? line : `${paragraph}\n${line}`
    }
  }
  return blocks
}

/** The commands of a block that is tried. */
export function commandsOf(blocks: readonly CommandBlock[], heading: string, place = 1): string {
  const found = blocks.find((block) => block.heading === heading && block.place === place)
  if (!found?.isTried) throw new Error(`there is no block ${place} to try under '${heading}'`)
  return found.commands
}
