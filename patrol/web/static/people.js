// Fills the form of a table with the row whose button was pressed; the key's cells stay as they are.
for (const button of document.querySelectorAll("button[data-edit]"))
  button.addEventListener("click", () => {
    const form = document.getElementById(button.dataset.edit)
    for (const [column, text] of Object.entries(JSON.parse(button.dataset.cells)))
      if (form.elements[column]) form.elements[column].value = text
    form.scrollIntoView({ block: "nearest" })
    form.elements.name?.focus()
  })
