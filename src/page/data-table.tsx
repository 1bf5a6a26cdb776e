import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  readonly header: string
  /** Null: there is nothing to say; a card leaves it out. */
  readonly cell: (row: Row) => ComponentChildren
  readonly isNumber?: boolean
}

interface Props<Row> {
  readonly caption: string
  /** For screen readers only, where a heading says it already. */
  readonly isCaptionHidden?: boolean
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  readonly empty: ComponentChildren
}

/** A table that becomes a list of cards on a narrow screen. */
export function DataTable<Row>({ caption, isCaptionHidden, columns, rows, keyOf, empty }: Props<Row>) {
  if (rows.length === 0) return <p class="empty">{empty}</p>
  return (
    <table class="data">
      <caption class={isCaptionHidden ? 'unseen' : ''}>{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ header, isNumber }) => (
            <th key={header} scope="col" class={isNumber ? 'number' : ''}>
              {header}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)}>
            {columns.map(({ header, cell, isNumber }) => {
              const value = cell(row)
              return (
                <td
                  key={header}
                  data-label={header}
                  class={[isNumber ? 'number' : '', value === null ? 'nothing' : ''].join(' ').trim()}
                >
                  <div class="value">{value ?? '–'}</div>
                </td>
              )
            })}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
