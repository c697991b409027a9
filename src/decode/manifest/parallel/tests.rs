//! Blocks of any size tell what the whole file tells, on any number of threads.

use super::*;

/// What is told and what is said of an input of files.
fn read(files: &[(&str, String)], threads: usize) -> (Vec<String>, String) {
    let mut told = Vec::new();
    let mut reader = Reader::new("default").with_places();
    let mut texts =
        files.iter().map(|(file, text)| (Arc::from(*file), Box::new(text.as_bytes()) as Box<dyn Read>));
    reader.read_all(threads, &mut texts, &mut |change| told.push(format!("{change:?}")));
    (told, format!("{reader:?}"))
}

fn pod(name: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{name}}}\nspec:\n  containers:\n  - {{name: a, image: b}}\n"
    )
}

fn json(name: usize) -> String {
    let bad = if (name + 3).is_multiple_of(1_000) { "{\"a\": \n" } else { "" };
    format!(
        "{bad}{{\n\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"j{name}\"}}, \"spec\": {{}}\n}}\n"
    )
}

fn many(from: usize, count: usize) -> String {
    (from..from + count).map(|name| format!("---\n{}", pod(name))).collect()
}

#[test]
fn several_threads_tell_the_same_in_the_same_order() {
    let broken =
        "---\nkind: [\n---\n{{ x }}: {{ y }}\n---\napiVersion: v1\nkind: Rollout\nmetadata: {name: r}\n";
    let files = [
        ("a.yaml", many(0, 3_000) + broken + &many(3_000, 3_000) + broken),
        ("b.yaml", many(20_000, 3) + broken),
        (
            "c.json",
            r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "spec": {}}"#.to_owned(),
        ),
        ("d.yaml", String::new()),
        ("e.yaml", many(30_000, 1_000)),
        ("f.json", (0..3_500).map(json).collect()),
    ];
    let one = read(&files, 1);
    assert_eq!(one.0.len(), 10_504);
    assert_eq!(read(&files, 3), one);
}

#[test]
fn small_inputs_are_read_without_threads_and_an_empty_one_is_empty() {
    let (told, _) = read(&[("a.yaml", pod(1)), ("b.yaml", pod(2))], 8);
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("a.yaml") && told[1].contains("b.yaml"));
    assert!(read(&[], 8).0.is_empty());
}

#[test]
fn a_portion_is_bounded_unless_one_document_is_larger() {
    let small: Vec<_> = (0..100).map(|file| (format!("{file}.yaml"), many(file * 1_000, 100))).collect();
    let large = ("large.yaml".to_owned(), many(0, 20_000));
    let files: Vec<_> = small.into_iter().chain([large]).collect();
    let mut texts =
        files.iter().map(|(file, text)| (Arc::from(&**file), Box::new(text.as_bytes()) as Box<dyn Read>));
    let portions = Portions { texts: &mut texts, open: None, size: BLOCK, space: vec![0; BLOCK] };
    let size =
        |portion: Portion| portion.into_iter().map(|(_, block)| block.unwrap().bytes.len()).sum::<usize>();
    let sizes: Vec<_> = portions.map(size).collect();
    assert!(sizes.len() > 8 && sizes.iter().all(|size| *size < 2 * BLOCK), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), files.iter().map(|(_, text)| text.len()).sum::<usize>());
}

/// What is told of a text, with what tells objects apart, and what is said of it.
fn told(read: impl FnOnce(&mut Reader, &mut dyn FnMut(Change)), with_places: bool) -> (Vec<String>, String) {
    let mut told = Vec::new();
    let mut reader = Reader::new("default");
    if with_places {
        reader = reader.with_places();
    }
    read(&mut reader, &mut |change| told.push(format!("{change:?}")));
    // Of a List that is broken somewhere, what comes before that may be known to stand somewhere or not.
    let places = reader.places.take().filter(|_| reader.errors.is_empty());
    (told, format!("{reader:?} {places:?}"))
}

/// A file that is handed out in small pieces, as a pipe does.
struct Pipe<'t>(&'t [u8], usize);

impl Read for Pipe<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let length = self.0.len().min(space.len()).min(self.1);
        let (now, rest) = self.0.split_at(length);
        space[..length].copy_from_slice(now);
        self.0 = rest;
        Ok(length)
    }
}

fn object(kind: &str, name: usize) -> serde_json::Value {
    let template = serde_json::json!({"spec": {"containers": [
        {"name": "a", "image": "x", "env": [{"name": "A", "value": "},\n{"}, {"name": "B"}]}, {"name": "b", "image": "y"},
    ]}});
    match kind {
        "Deployment" => serde_json::json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": format!("d{name}"), "managedFields": [
                {"apiVersion": "v1", "kind": "x", "f": {}}, {"apiVersion": "v1", "kind": "x"},
            ]}, "spec": {"template": template},
        }),
        "Secret" => {
            serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "s"}, "data": {"a": "{}"}})
        }
        "Nameless" => serde_json::json!({"metadata": {"name": "n"}}),
        _ => {
            serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{name}"), "labels": {"é": "ü"}}, "spec": template["spec"]})
        }
    }
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

mod any_cut {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [&str; 4] = ["Deployment", "Pod", "Secret", "Pod"];

    /// JSON objects in a stream, some of them broken.
    fn stream() -> impl Strategy<Value = String> {
        let one = (0..9_usize, 0..6_usize).prop_map(|(kind, form)| {
            let value = object(KINDS[kind % 4], kind);
            match form {
                0 | 1 => format!("{value}\n"),
                2 | 3 => format!("{}\n", pretty(&value)),
                4 => format!("{value} {value}"),
                _ => match kind {
                    0 => "{\"a\": \n".to_owned(),
                    1 => "{\"a\": {}\n".to_owned(),
                    2 => "\n\n  \n".to_owned(),
                    3 => "}\n".to_owned(),
                    4 => "{\"a\": [\n{},\n{}]}\n".to_owned(),
                    5 => pretty(&value).replacen("apiVersion", "a\\u0070iVersion", 1),
                    _ => format!("  {value}\n"),
                },
            }
        });
        prop::collection::vec(one, 1..12)
            .prop_map(|parts| "{\"apiVersion\": \"v1\"}\n".to_owned() + &parts.concat())
    }

    /// A List in one of the forms that programs write, some of them with what breaks it.
    fn list() -> impl Strategy<Value = String> {
        let kinds = prop::collection::vec(0..5_usize, 1..12);
        (kinds, 0..5_usize, 0..9_usize, any::<bool>()).prop_map(|(kinds, form, broken, more)| {
            let kind =
                |kind: usize| *KINDS.get(kind).unwrap_or(&if broken == 7 { "Nameless" } else { "Pod" });
            let items: Vec<_> = kinds.iter().enumerate().map(|(at, of)| object(kind(*of), at)).collect();
            let list =
                serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {}});
            let mut text = match form {
                0 => list.to_string(),
                1 | 2 => pretty(&list),
                3 => {
                    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                    format!(
                        "{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n{}\n]}}",
                        items.join(",\n")
                    )
                }
                _ => format!("\n  {}", pretty(&list).replace('\n', "\n  ")),
            };
            let middle = (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            match broken {
                0 => text.truncate(middle),
                1 => text.insert(middle, '}'),
                2 => text.insert_str(middle, "\"x"),
                _ => {}
            }
            if more {
                format!("{text}\n{}\n{}", object("Pod", 77), pretty(&object("Deployment", 78)))
            } else {
                text
            }
        })
    }

    fn yaml() -> impl Strategy<Value = String> {
        let one = prop::sample::select(vec![
            "---\n",
            "--- # x\n",
            "...\n",
            "%YAML 1.1\n",
            "# only this\n",
            "\n",
            "kind: [\n",
            "{{ x }}: {{ y }}\n",
            "--- {a: 1}\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: a, image: b}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  x: |\n    ---\n    y\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {}\n",
            "---\n",
            "---\n",
        ]);
        prop::collection::vec(one, 0..25).prop_map(|parts| parts.concat())
    }

    fn check(
        file: &str,
        text: &str,
        (size, threads, step): (usize, usize, usize),
        places: bool,
    ) -> Result<(), TestCaseError> {
        let whole = told(|reader, sink| reader.read(file.into(), text, sink), places);
        let cut = told(
            |reader, sink| {
                let mut texts = std::iter::once((
                    Arc::from(file),
                    Box::new(Pipe(text.as_bytes(), step)) as Box<dyn Read>,
                ));
                reader.read_in_blocks(threads, size, &mut texts, sink);
            },
            places,
        );
        prop_assert_eq!(&cut.1, &whole.1, "{}", text);
        for (cut, whole) in cut.0.iter().zip(&whole.0) {
            prop_assert_eq!(cut, whole, "{}", text);
        }
        prop_assert_eq!(cut.0.len(), whole.0.len());
        Ok(())
    }

    fn cuts() -> impl Strategy<Value = (usize, usize, usize)> {
        (1..3_000_usize, 1..4_usize, prop::sample::select(vec![1, 7, 100, 10_000]))
    }

    proptest! {
        #[test]
        fn a_stream_of_json_reads_the_same_however_it_is_cut(text in stream(), cuts in cuts(), places in any::<bool>()) {
            check("a.json", &text, cuts, places)?;
        }

        #[test]
        fn a_list_reads_the_same_however_it_is_cut(text in list(), cuts in cuts(), places in any::<bool>()) {
            check("a.json", &text, cuts, places)?;
        }

        #[test]
        fn yaml_reads_the_same_however_it_is_cut(text in yaml(), cuts in cuts(), places in any::<bool>()) {
            check("a.yaml", &text, cuts, places)?;
        }
    }
}

#[test]
fn a_list_is_cut_between_its_items_in_every_form_that_programs_write() {
    let mut items: Vec<_> = (0..300).map(|at| object(["Pod", "Deployment"][at % 2], at)).collect();
    for item in &mut items {
        // As they are; those above look like items on purpose.
        let manager = serde_json::json!({"apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}});
        item["metadata"]["managedFields"] = vec![manager; 3].into();
    }
    let list = serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List"});
    let lines: Vec<_> = items.iter().map(ToString::to_string).collect();
    let lines = format!("{{\"apiVersion\": \"v1\", \"items\": [\n{}\n]}}", lines.join(",\n"));
    // As the API server writes it: what the items are stands once, before them.
    let mut pods: Vec<_> = (0..300).map(|at| object("Pod", at)).collect();
    pods.iter_mut().for_each(|pod| {
        pod.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion"));
    });
    let pods = serde_json::Value::from(pods);
    let pods = format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"items\":{pods}}}\n");
    for text in [list.to_string(), pretty(&list), lines, pods] {
        let mut texts = std::iter::once((Arc::from("-"), Box::new(text.as_bytes()) as Box<dyn Read>));
        let size = 8 << 10;
        let portions = Portions { texts: &mut texts, open: None, size, space: vec![0; size] };
        let (mut told, mut blocks) = (0, 0);
        for portion in portions {
            assert!(portion.iter().all(|(_, block)| block.as_ref().unwrap().bytes.len() < 2 * size));
            let part = Reader::new("default").read_portion(portion);
            assert!(part.are_items, "{}", &text[..200]);
            told += part.changes.len();
            blocks += 1;
        }
        assert!(told == 300 && blocks > 5, "{told} from {blocks} blocks of {}", &text[..200]);
    }
}

#[test]
fn other_bytes_than_text_are_told_with_their_line_and_a_failing_file_as_well() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 {
                return Err(io::Error::other("the disk is gone"));
            }
            let pod = pod(self.0);
            space[..pod.len()].copy_from_slice(pod.as_bytes());
            Ok(pod.len())
        }
    }
    let files: [(&str, Box<dyn Read>); 4] = [
        ("a.yaml", Box::new(&b"\xff\xfea"[..])),
        ("b.yaml", Box::new(&b"a: 1\n\xf0\n"[..])),
        ("c.yaml", Box::new(Failing(0))),
        ("d.yaml", Box::new(io::Cursor::new(pod(4)))),
    ];
    let mut texts = files.into_iter().map(|(file, text)| (Arc::from(file), text));
    let mut reader = Reader::new("default");
    let mut told = 0;
    reader.read_all(2, &mut texts, &mut |_| told += 1);
    let errors: Vec<_> = reader.errors.iter().map(ToString::to_string).collect();
    let expected = [
        "a.yaml: expected UTF-8 text, found UTF-16 (save it as UTF-8)",
        "b.yaml: expected UTF-8 text, found other bytes on line 2",
        "c.yaml: the disk is gone",
    ];
    assert_eq!((told, &*errors), (1, &expected.map(str::to_owned)[..]));
}
