// Package params reads the parameters of an HTTP request, wherever the client
// put them, and binds them to typed values. It is the transport of the /p1 API
// and knows nothing of endpoints, channels or the database.
//
// # Reading
//
// [Read] collects path values, the query and the body into a [Set]. A name that
// comes from several places is taken whole from the first of path, query, body;
// nothing is merged. The body is judged by its content, because clients label
// bodies wrongly:
//
//   - an empty body has no parameters, whatever its type;
//   - multipart/form-data is read part by part; a part with a file name is a file;
//   - a body that starts with { is JSON; if it is not, it is refused when its type
//     says JSON and read as a form otherwise;
//   - [ under a JSON type is refused, the text null has no parameters;
//   - everything else is a form, also under a JSON type.
//
// Names nest as in Rails: a[b]=1, a[]=x, a[0]=x, a[b][]=x, a[][b]=1 (a new
// element starts where the last one has the key already). A name whose brackets
// do not pair up is an ordinary name.
//
// # Decisions where several readings are possible
//
//   - A bare name given twice: its last value, and all of them in order where an
//     array is expected. A JSON key given twice: its last value.
//   - One name used as value and as array or object (a=1&a[b]=2): refused. The
//     order of the two never decides what is meant.
//   - A percent sign that starts no escape stands for itself, and so does a
//     semicolon: both come from shell users who do not encode their text.
//   - NUL is removed from names and values, since no database text can hold it.
//     Invalid UTF-8 is refused, encoded or not.
//   - An object is read as an array by the numbers that are its keys, gaps allowed.
//   - A JSON text where an array or object is expected is read as what it says,
//     inside a form as well as inside JSON.
//
// # Bounds
//
// Bodies have a size limit, values nest at most [MaxDepth] deep, and a request
// holds at most [MaxParameters] values, a level of nesting counting as one.
//
// # Binding
//
// A [Binder] converts values by name, collects every failure, and reports them
// together:
//
//	b := set.Bind()
//	name := b.String("name", params.Required(), params.Trim(), params.Length(1, 255))
//	hidden := b.Bool("hidden")
//	if err := b.Err(); err != nil {
//		return err
//	}
//	use(name.Value, hidden.Or(false))
//
// A parameter counts as absent if its name is missing, if it is null, or if it
// is a blank text. An [Opt] keeps apart what was left out and what was sent empty.
package params
