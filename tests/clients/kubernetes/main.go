// Renders the chart as Helm does, by the same template engine: values.yaml as .Values,
// the release's name space, and of Helm's functions those that the chart uses.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"gopkg.in/yaml.v3"
)

func main() {
	chart := os.Args[1]
	var values map[string]any
	text, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err == nil {
		err = yaml.Unmarshal(text, &values)
	}
	functions := template.FuncMap{"toJson": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	}}
	files, _ := filepath.Glob(filepath.Join(chart, "templates", "*.yaml"))
	for _, file := range files {
		var t *template.Template
		if err == nil {
			t, err = template.New(filepath.Base(file)).Option("missingkey=error").Funcs(functions).ParseFiles(file)
		}
		if err == nil {
			fmt.Printf("---\n# %s\n", filepath.Base(file))
			err = t.Execute(os.Stdout, map[string]any{
				"Values": values, "Release": map[string]any{"Namespace": "ontapfs", "Name": "ontapfs"}})
		}
	}
	if err != nil || len(files) == 0 {
		fmt.Fprintln(os.Stderr, "cannot render:", err)
		os.Exit(1)
	}
}
